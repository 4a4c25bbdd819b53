#pragma once

#include <ctime>
#include <functional>
#include <optional>

#include "base/result.h"
#include "plugins/system/pending_request.h"
#include "plugins/system/program_runner.h"

namespace reeve::system {

// Sets the machine's clock; fails with the host's text.
using SetClock = std::function<Status(const timespec&)>;
Status SetSystemClock(const timespec& time);

// guest-set-time. With a time: the system clock is set to it, by this process, and then the hardware clock to that, by
// hwclock. Without: the system clock is set to what the hardware clock says.
class TimeSetter {
 public:
  // `programs` is lent.
  TimeSetter(ProgramRunner& programs, SetClock set_clock) : programs_(programs), set_clock_(std::move(set_clock)) {}

  // `time_ns` since 1970, in the years 1970 to 2069.
  void Set(const Pending& request, std::optional<int64_t> time_ns);

 private:
  void RunHwclock(const Pending& request, const char* option, bool is_clock_set);

  ProgramRunner& programs_;
  const SetClock set_clock_;
};

}  // namespace reeve::system
