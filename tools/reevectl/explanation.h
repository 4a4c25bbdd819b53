#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/config/config.h"
#include "base/result.h"
#include "policy/decide.h"

// What policy says of one call, put together for `policy explain`.

namespace reeve::reevectl {

struct Call {
  // Not empty: what this plugin's own commands may have run and opened, and `command` is `run` or `open`.
  std::string plugin;
  std::string command;
  std::vector<std::string> args;  // guest-exec, run: program and its arguments; guest-file-open, open: path and mode
  std::string channel = "default";
  std::optional<uint32_t> unix_uid;
  std::optional<uint32_t> vsock_cid;
};

// One question on the way to the answer.
struct Step {
  std::string question;  // "the command", "the program", "the file"
  policy::Decision decision;
  policy::Trace trace;
};

struct Explanation {
  bool is_allowed = false;
  std::string rule;  // that decided, of the last step
  policy::Origin origin;
  std::string reason;
  std::vector<Step> steps;
  // What it would run under, as name and value.
  std::vector<std::pair<std::string, std::string>> program;  // of a program's or directory's rule
  std::vector<std::pair<std::string, std::string>> worker;   // of the plugin that serves the command
};

// Fails with kInvalidArgument when there is no such command or its arguments cannot be. Looks at the file system for what a
// program's name comes to here.
Result<Explanation> Explain(const config::Config& config, const Call& call);

}  // namespace reeve::reevectl
