#include "plugins/inventory/os_release.h"

namespace reeve::inventory {
namespace {

constexpr std::string_view kSpace = " \t\r";
constexpr std::string_view kEscapable = "$'\"\\`";

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// `body` begins behind the opening quote; what follows the closing one is ignored.
std::string DoubleQuoted(std::string_view body) {
  std::string value;
  for (size_t i = 0; i < body.size() && body[i] != '"'; ++i) {
    const bool is_escape = body[i] == '\\' && i + 1 < body.size() && kEscapable.contains(body[i + 1]);
    if (is_escape) ++i;
    value.push_back(body[i]);
  }
  return value;
}

std::string ValueOf(std::string_view written) {
  if (written.starts_with('"')) return DoubleQuoted(written.substr(1));
  if (written.starts_with('\'')) return std::string(written.substr(1, written.find('\'', 1) - 1));
  return std::string(written.substr(0, written.find_first_of(" ;")));
}

}  // namespace

OsRelease ParseOsRelease(std::string_view text) {
  OsRelease values;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    values[std::string(Trim(line.substr(0, equals)))] = ValueOf(Trim(line.substr(equals + 1)));
  }
  return values;
}

}  // namespace reeve::inventory
