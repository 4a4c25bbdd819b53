#include "tools/reevectl/subcommand.h"

#include <cstdio>

#include "base/json_writer.h"

namespace reeve::reevectl {

void Print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

void PrintJson(const json::Value& value) {
  Print(json::Write(value));
}

ExitCode Cannot(std::string_view why) {
  std::fprintf(stderr, "reevectl: %.*s\n", static_cast<int>(why.size()), why.data());
  return ExitCode::kCannot;
}

}  // namespace reeve::reevectl
