#include "plugins/file/open_mode.h"

#include "reeve/plugin.h"

namespace reeve::file {

namespace {

std::optional<OpenMode> ForLetter(char letter) {
  switch (letter) {
    case 'r':
      return OpenMode{REEVE_ACCESS_READ, 0};
    case 'w':
      return OpenMode{REEVE_ACCESS_WRITE | REEVE_ACCESS_CREATE, REEVE_OPEN_TRUNCATE};
    case 'a':
      return OpenMode{REEVE_ACCESS_WRITE | REEVE_ACCESS_CREATE, REEVE_OPEN_APPEND};
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<OpenMode> ParseOpenMode(std::string_view mode) {
  if (mode.empty()) return std::nullopt;
  std::optional<OpenMode> parsed = ForLetter(mode.front());
  const std::string_view rest = mode.substr(1);
  if (rest.empty() || rest == "b") return parsed;
  if (rest != "+" && rest != "b+" && rest != "+b") return std::nullopt;
  if (parsed) parsed->access |= REEVE_ACCESS_READ | REEVE_ACCESS_WRITE;
  return parsed;
}

}  // namespace reeve::file
