#include "tools/reevectl/subcommand.h"

#include <cstdio>
#include <string>

#include "base/json_writer.h"

namespace reeve::reevectl {

namespace {

// Names of files and texts of plugins are not ours: a terminal must take nothing in them for a command of its own.
void WriteLine(std::string_view text, FILE* to) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto before = static_cast<unsigned char>(i > 0 ? text[i - 1] : 0);
    const bool is_c1 = before == 0xc2 && byte < 0xa0;  // U+0080 to U+009F
    const bool is_control = (byte < 0x20 && byte != '\n') || byte == 0x7f || is_c1;
    is_control ? std::fprintf(to, "\\x%02x", byte) : std::fputc(byte, to);
  }
  std::fputc('\n', to);
}

}  // namespace

void Print(std::string_view text) {
  WriteLine(text, stdout);
}

void PrintJson(const json::Value& value) {
  Print(json::Write(value));
}

ExitCode Cannot(std::string_view why) {
  WriteLine("reevectl: " + std::string(why), stderr);
  return ExitCode::kCannot;
}

}  // namespace reeve::reevectl
