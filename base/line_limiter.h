#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log_limiter.h"

namespace reeve {

// Cuts what a process wrote to its standard error into lines and lets as many through as LogLimiter does. Pure; not
// thread-safe.
class LineLimiter {
 public:
  static constexpr size_t kMaxLineBytes = 1024;  // a longer line is cut into several

  // Hands each line that may pass to `take`; how many were held back is a line of its own before the next.
  // Returns how many lines were held back.
  uint64_t Feed(std::string_view bytes, RunningTime now, const std::function<void(const std::string&)>& take);

 private:
  std::string line_;
  LogLimiter limiter_;
};

}  // namespace reeve
