#include "plugins/inventory/plain_text.h"

#include <algorithm>

namespace reeve::inventory {

namespace {

bool IsWithinCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

std::string PlainText(std::string_view text, size_t limit_bytes) {
  size_t end = std::min(text.size(), limit_bytes);
  // No character of UTF-8 is cut in two.
  for (int steps = 0; steps < 3 && end > 0 && end < text.size() && IsWithinCharacter(text[end]); ++steps) --end;
  std::string plain(text.substr(0, end));
  std::ranges::replace_if(plain, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, ' ');
  return plain;
}

}  // namespace reeve::inventory
