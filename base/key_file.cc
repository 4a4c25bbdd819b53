#include "base/key_file.h"

#include <algorithm>

namespace reeve {
namespace {

constexpr std::string_view kBlanks = " \t\r";
// Of a line that is wrong, as much is repeated.
constexpr size_t kMaxQuotedBytes = 80;

// What stands behind a backslash, and what it means.
constexpr std::string_view kEscapeLetters = "stnr\\";
constexpr std::string_view kEscapedBytes = " \t\n\r\\";

std::string_view WithoutBlanksBefore(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}

std::string_view WithoutBlanksBehind(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

std::unexpected<Error> Wrong(std::string_view what, std::string_view text) {
  return Fail(Code::kInvalidArgument, std::string(what) + ": " + std::string(text.substr(0, kMaxQuotedBytes)));
}

// "[name]" with blanks behind it at most; the name.
std::optional<std::string_view> GroupOf(std::string_view line) {
  const std::string_view group = WithoutBlanksBehind(line);
  if (!group.starts_with('[') || group.find(']') != group.size() - 1) return std::nullopt;
  return group.substr(1, group.size() - 2);
}

bool IsGroupName(std::string_view name) {
  const auto is_allowed = [](char byte) {
    return byte != '[' && static_cast<unsigned char>(byte) >= ' ' && byte != '\x7f';
  };
  return !name.empty() && std::ranges::all_of(name, is_allowed);
}

Result<std::string> Unescaped(std::string_view value) {
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '\\') {
      text += value[i];
      continue;
    }
    const size_t letter = ++i < value.size() ? kEscapeLetters.find(value[i]) : std::string_view::npos;
    if (letter == std::string_view::npos) return Wrong("a backslash that begins no escape sequence", value);
    text += kEscapedBytes[letter];
  }
  return text;
}

}  // namespace

Result<KeyFile> KeyFile::Parse(std::string_view text) {
  if (text.size() > kMaxBytes) return Fail(Code::kTooLarge, "longer than " + std::to_string(kMaxBytes) + " bytes");
  if (text.find('\0') != std::string_view::npos) return Fail(Code::kInvalidArgument, "it has a zero byte");
  KeyFile file;
  std::string group;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const Status taken = file.TakeLine(WithoutBlanksBefore(line), group);
    if (!taken) return Fail(taken.error().Within("line " + std::to_string(number)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return file;
}

// `line` begins with no blank. `group` is the one that it stands in; empty before the first.
Status KeyFile::TakeLine(std::string_view line, std::string& group) {
  if (line.empty() || line.starts_with('#')) return {};
  if (const auto name = GroupOf(line)) {
    if (!IsGroupName(*name)) return Wrong("no name of a group", line);
    group = *name;
    return {};
  }
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos || equals == 0) return Wrong("neither a group, nor a key with a value", line);
  if (group.empty()) return Wrong("a key before the first group", line);
  const std::string_view key = WithoutBlanksBehind(line.substr(0, equals));
  values_[{group, std::string(key)}] = WithoutBlanksBefore(line.substr(equals + 1));
  return {};
}

Result<std::optional<std::string>> KeyFile::Text(std::string_view group, std::string_view key) const {
  const auto found = values_.find(std::pair(std::string(group), std::string(key)));
  if (found == values_.end()) return std::nullopt;
  Result<std::string> text = Unescaped(found->second);
  if (!text) return Fail(text.error().Within(std::string(key)));
  return std::move(*text);
}

Result<std::optional<bool>> KeyFile::Bool(std::string_view group, std::string_view key) const {
  const auto found = values_.find(std::pair(std::string(group), std::string(key)));
  if (found == values_.end()) return std::nullopt;
  const std::string_view word = WithoutBlanksBehind(found->second);
  if (word == "true" || word == "1") return true;
  if (word == "false" || word == "0") return false;
  return Wrong(std::string(key) + ": neither true nor false", word);
}

std::string KeyFileValue(std::string_view value) {
  std::string text;
  bool is_leading = true;  // a blank needs writing out only where reading would drop it
  for (const char byte : value) {
    const bool is_blank = byte == ' ' || byte == '\t';
    is_leading = is_leading && is_blank;
    const size_t escape = kEscapedBytes.find(byte);
    if (escape == std::string_view::npos || (is_blank && !is_leading))
      text += byte;
    else
      (text += '\\') += kEscapeLetters[escape];
  }
  return text;
}

}  // namespace reeve
