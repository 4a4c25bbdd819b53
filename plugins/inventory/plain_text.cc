#include "plugins/inventory/plain_text.h"

#include <algorithm>

namespace reeve::inventory {

std::string PlainText(std::string_view text, size_t limit_bytes) {
  std::string plain(text.substr(0, limit_bytes));
  std::ranges::replace_if(plain, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, ' ');
  return plain;
}

}  // namespace reeve::inventory
