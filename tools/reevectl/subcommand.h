#pragma once

#include <string>
#include <string_view>

#include "base/json_value.h"

namespace CLI {
class App;
}

// What all subcommands of reevectl keep to. A subcommand is a pair of files with one function
//
//   void AddPolicyCheck(CLI::App& parent, const Common& common, ExitCode& exit_code);
//
// which adds its name, options and help to `parent` and, when it is the one that was asked for, does its work while the
// command line is parsed and leaves the answer in `exit_code`. Both references outlive the parsing.

namespace reeve::reevectl {

enum class ExitCode : int {
  kOk = 0,
  kNo = 1,      // the answer is no: the policy is bad, the call is denied
  kCannot = 2,  // wrong usage, or nobody to ask
  // Of `status` alone, as systemctl has them.
  kNotRunning = 3,
  kUnknown = 4,  // it runs perhaps, and gives no answer
};

// The options that every subcommand has.
struct Common {
  bool is_json = false;  // one JSON value on one line of standard output instead of text for people
};

// To standard output, with a line's end.
void Print(std::string_view text);
void PrintJson(const json::Value& value);
// To standard error, "reevectl: <why>"; the exit code for it.
ExitCode Cannot(std::string_view why);

}  // namespace reeve::reevectl
