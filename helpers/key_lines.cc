#include "helpers/key_lines.h"

#include <algorithm>
#include <ranges>
#include <unordered_set>

namespace reeve::helpers {
namespace {

using LineSet = std::unordered_set<std::string_view>;

std::string_view Trimmed(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  const size_t first = line.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
}

bool IsKey(std::string_view trimmed) {
  return !trimmed.empty() && !trimmed.starts_with('#');
}

LineSet KeysAmong(const std::vector<std::string_view>& lines) {
  LineSet keys;
  for (const std::string_view line : lines)
    if (const std::string_view key = Trimmed(line); IsKey(key)) keys.insert(key);
  return keys;
}

}  // namespace

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string ListKeys(std::string_view file) {
  std::string keys;
  for (const std::string_view line : LinesOf(file) | std::views::reverse) {
    const std::string_view key = Trimmed(line);
    if (IsKey(key)) keys.append(key).push_back('\n');
  }
  return keys;
}

std::string AddKeys(std::string_view file, const std::vector<std::string_view>& keys) {
  LineSet present = KeysAmong(LinesOf(file));
  std::string changed(file);
  for (const std::string_view line : keys) {
    const std::string_view key = Trimmed(line);
    if (!IsKey(key) || !present.insert(key).second) continue;
    if (!changed.empty() && !changed.ends_with('\n')) changed.push_back('\n');
    changed.append(key).push_back('\n');
  }
  return changed;
}

std::string RemoveKeys(std::string_view file, const std::vector<std::string_view>& keys) {
  const LineSet unwanted = KeysAmong(keys);
  std::string changed;
  bool is_any_gone = false;
  for (const std::string_view line : LinesOf(file)) {
    if (unwanted.contains(Trimmed(line))) {
      is_any_gone = true;
      continue;
    }
    changed.append(line).push_back('\n');
  }
  return is_any_gone ? changed : std::string(file);
}

}  // namespace reeve::helpers
