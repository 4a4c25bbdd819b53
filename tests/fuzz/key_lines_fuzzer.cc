#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "helpers/key_lines.h"

// An authorized_keys as a user may have it, and keys of a host: the input's first byte says how much of it is the file. What the host
// added is there, once; what it removed is not; and no other line changes or moves.

namespace {

using reeve::helpers::AddKeys;
using reeve::helpers::LinesOf;
using reeve::helpers::ListKeys;
using reeve::helpers::RemoveKeys;
using Lines = std::vector<std::string_view>;

// A line without the blanks around it; nothing when it is no key.
std::string_view KeyOf(std::string_view line) {
  const auto is_blank = [](char c) { return std::string_view(" \t\r\v\f").contains(c); };
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  return line.starts_with('#') ? std::string_view() : line;
}

std::set<std::string_view> SetOf(const Lines& lines) {
  std::set<std::string_view> set;
  for (const std::string_view line : lines)
    if (!KeyOf(line).empty()) set.insert(KeyOf(line));
  return set;
}

void CheckAdded(std::string_view file, const Lines& keys) {
  const std::string added = AddKeys(file, keys);
  REEVE_CHECK(added.starts_with(file));
  REEVE_CHECK(added == file || added.ends_with('\n'));
  REEVE_CHECK(AddKeys(added, keys) == added);
  const std::set<std::string_view> before = SetOf(LinesOf(file)), after = SetOf(LinesOf(added));
  size_t new_keys = 0;
  for (const std::string_view key : SetOf(keys)) {
    REEVE_CHECK(after.contains(key));
    if (!before.contains(key)) ++new_keys;
  }
  REEVE_CHECK(after.size() == before.size() + new_keys);
  REEVE_CHECK(LinesOf(added).size() == LinesOf(file).size() + new_keys);
}

void CheckRemoved(std::string_view file, const Lines& keys) {
  const std::string removed = RemoveKeys(file, keys);
  const std::set<std::string_view> unwanted = SetOf(keys);
  Lines expected;
  for (const std::string_view line : LinesOf(file))
    if (!unwanted.contains(KeyOf(line))) expected.push_back(line);
  REEVE_CHECK(LinesOf(removed) == expected);
  REEVE_CHECK(RemoveKeys(removed, keys) == removed);
}

void CheckListed(std::string_view file) {
  const std::string keys = ListKeys(file);
  for (const std::string_view key : LinesOf(keys)) {
    REEVE_CHECK(!key.empty() && !key.starts_with('#') && !key.starts_with(' ') && !key.ends_with('\r'));
    REEVE_CHECK(file.find(key) != std::string_view::npos);
  }
  REEVE_CHECK(LinesOf(keys).size() <= LinesOf(file).size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = reeve::AsText(reeve::Bytes(data, size).subspan(1));
  const size_t cut = std::min(size_t{data[0]} * 8, text.size());
  const std::string_view file = text.substr(0, cut);
  const Lines keys = LinesOf(text.substr(cut));
  CheckAdded(file, keys);
  CheckRemoved(file, keys);
  CheckListed(file);
  return 0;
}
