#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace reeve::start {

// A throw-away program of ours, run to its end before anything is served: the only place where the warden waits.
struct RunToEnd {
  std::string path;               // checked as all that the warden starts (trusted_file.h)
  std::vector<std::string> args;  // without argv[0]
  std::string input;              // its standard input
  std::vector<int> kept_fds;      // stay open in it under their numbers. Lent
  std::chrono::milliseconds timeout{};
};

struct EndedRun {
  int wait_status = 0;
  std::string output;
  std::string complaints;  // its standard error
};

// Fails when it cannot be started, or is killed at the timeout. What it wrote is bounded by kMaxRunOutputBytes.
Result<EndedRun> RunAndWait(const RunToEnd& run);
inline constexpr size_t kMaxRunOutputBytes = 1 << 20;

}  // namespace reeve::start
