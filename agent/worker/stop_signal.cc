#include "agent/worker/stop_signal.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "base/sys.h"

namespace reeve::worker {
namespace {

// A handler has no other way to know them. The run sandbox makes an eventfd and no signalfd.
std::atomic<int> g_wake_fd = -1;
std::atomic<bool> g_has_come = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

void Wake(int fd) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(fd, &one, sizeof one);
}

void OnSignal(int) {
  const int error_number = errno;
  g_has_come = true;
  if (const int fd = g_wake_fd; fd >= 0) Wake(fd);
  errno = error_number;
}

}  // namespace

void StopSignal::Take() {
  struct sigaction action{};
  action.sa_handler = &OnSignal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &action, nullptr);
}

Status StopSignal::Watch(EventLoop& loop, std::function<void()> on_stop) {
  wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) return FailErrno("eventfd");
  REEVE_TRY(loop.Watch(wake_.get(), EPOLLIN, [this, on_stop = std::move(on_stop)](uint32_t) {
    uint8_t count[8];
    static_cast<void>(sys::Read(wake_.get(), count));
    on_stop();
  }));
  g_wake_fd = wake_.get();
  if (g_has_come) Wake(wake_.get());
  return {};
}

}  // namespace reeve::worker
