#pragma once

#include <string>
#include <string_view>

namespace reeve::inventory {

// At most `limit_bytes` of what a program printed, with blanks in place of control characters, so that it needs at most
// three times as much room in a reply.
std::string PlainText(std::string_view text, size_t limit_bytes);

}  // namespace reeve::inventory
