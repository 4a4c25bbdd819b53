#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_value.h"

namespace reeve::reevectl {

// What the text needs beside the agent's reply.
struct StatusView {
  int64_t now_s = 0;  // by the wall clock
  bool has_color = false;
  bool has_unicode = false;
  // Resident memory of a process in KiB; nothing: it has ended.
  std::function<std::optional<uint64_t>(uint32_t pid)> memory_kib;
};

// The value of reeve-status for people: a headline, what holds for the whole agent, and tables of channels, processes and
// plugins. Lines keep within 80 columns, but for a path that alone is longer. Members that are missing or of another type
// count as empty. Pure.
std::string StatusText(const json::Value& status, const StatusView& view);

// `text` with what a terminal would take for a command, or for a change of direction, as `?`.
std::string Harmless(std::string_view text);

// "now", "5s", "3min", "2h 5min", "4d 1h". Pure.
std::string AgoText(int64_t seconds);

}  // namespace reeve::reevectl
