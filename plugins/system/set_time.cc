#include "plugins/system/set_time.h"

#include <string>

namespace reeve::system {

namespace {

constexpr const char* kHwclock = "hwclock";
constexpr int64_t kNsPerS = 1'000'000'000;
constexpr int64_t kFirstSecondOf2070 = 3'155'760'000;

Result<timespec> TimeOf(int64_t time_ns) {
  if (time_ns < 0 || time_ns / kNsPerS >= kFirstSecondOf2070) return Fail(Code::kInvalidArgument, "Invalid time");
  return timespec{.tv_sec = time_ns / kNsPerS, .tv_nsec = time_ns % kNsPerS};
}

}  // namespace

Status SetSystemClock(const timespec& time) {
  if (::clock_settime(CLOCK_REALTIME, &time) != 0) return FailErrno("Failed to set time to guest");
  return {};
}

void TimeSetter::Set(const Pending& request, std::optional<int64_t> time_ns) {
  if (!time_ns) return RunHwclock(request, "-s", /*is_clock_set=*/false);
  const Result<timespec> time = TimeOf(*time_ns);
  if (!time) return request->Fail(REEVE_ERROR_ARGUMENT, time.error().message());
  if (const Status set = set_clock_(*time); !set) return request->Fail(REEVE_ERROR_FAILED, set.error().message());
  RunHwclock(request, "-w", /*is_clock_set=*/true);
}

void TimeSetter::RunHwclock(const Pending& request, const char* option, bool is_clock_set) {
  programs_.Run(request->id(), {kHwclock, option}, [request, is_clock_set](const ProgramEnd& end) {
    if (!request->is_open()) return;
    if (end.is_success()) return request->Succeed();
    std::string text = FailureText("set hardware clock to system time", kHwclock, end);
    if (is_clock_set) text += " (the system clock is set)";
    request->Fail(FailureStatus(end), text);
  });
}

}  // namespace reeve::system
