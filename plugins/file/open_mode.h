#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace reeve::file {

// What a mode of fopen(3) asks of reeve.agent.files/1.
struct OpenMode {
  uint32_t access = 0;  // REEVE_ACCESS_*
  uint32_t flags = 0;   // REEVE_OPEN_*
  bool operator==(const OpenMode&) const = default;
};

// The 15 spellings that the host's schema names (r rb w wb a ab, and with + before or after the b), or
// nothing.
std::optional<OpenMode> ParseOpenMode(std::string_view mode);

}  // namespace reeve::file
