#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

// Tables of the kernel: a line a row, words between blanks.

namespace reeve::inventory {

// Without their line ends; the last one may lack it.
std::vector<std::string_view> Lines(std::string_view text);
// The same one at a time, for texts of more lines than there is memory.
template <typename Visit>
void ForEachLine(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}
std::vector<std::string_view> Words(std::string_view line);

// The whole word, or nothing.
template <typename T>
std::optional<T> NumberOf(std::string_view word, int base = 10) {
  T value{};
  const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
  if (error != std::errc() || stop != word.data() + word.size()) return std::nullopt;
  return value;
}

}  // namespace reeve::inventory
