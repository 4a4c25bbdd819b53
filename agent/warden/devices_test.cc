#include "agent/warden/devices.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>

#include "agent/warden/child.h"
#include "base/clock.h"
#include "base/testing.h"

namespace reeve::warden {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kWatched{500};

// What any user may do: the nodes are everybody's to write, so their times are everybody's to set.
[[noreturn]] void TouchDevicesForEver() {
  constexpr const char* kNodes[] = {"/dev/null", "/dev/zero", "/dev/full"};
  for (size_t i = 0;; ++i) ::utimensat(AT_FDCWD, kNodes[i % 3], nullptr, 0);
}

milliseconds CpuTimeOf(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) +
         std::chrono::duration_cast<milliseconds>(std::chrono::nanoseconds(time.tv_nsec));
}

TEST(DevicesTest, ChangesInDevDoNotKeepItBusy) {
  MonotonicClock clock;
  EventLoop loop = EventLoop::Create(clock).value();
  Reaper reaper(loop);
  RequestChildren children(loop, reaper, 4);
  Devices devices(loop, children, [](uint32_t, Result<UniqueFd>) { FAIL(); });
  config::Channel channel;
  channel.transport = config::Transport::kVirtioSerial;
  channel.path = "/dev/reeve-no-such-port";
  devices.Open(0, channel);
  const pid_t toucher = ::fork();
  if (toucher == 0) TouchDevicesForEver();
  const milliseconds before = CpuTimeOf(CLOCK_PROCESS_CPUTIME_ID);
  loop.After(kWatched, [&] { loop.Stop(); });
  EXPECT_THAT(loop.Run(), IsOk());
  EXPECT_LT(CpuTimeOf(CLOCK_PROCESS_CPUTIME_ID) - before, kWatched / 10);
  ::kill(toucher, SIGKILL);
  ::waitpid(toucher, nullptr, 0);
  EXPECT_TRUE(devices.IsWaiting(0));
}

}  // namespace
}  // namespace reeve::warden
