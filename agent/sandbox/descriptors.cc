#include "agent/sandbox/descriptors.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <string>
#include <vector>

#include "base/sys.h"

namespace reeve::sandbox {
namespace {

struct HighFd {
  UniqueFd fd;
  int number;
};

Status CloseRange(unsigned first, unsigned last) {
  if (::syscall(SYS_close_range, first, last, 0) < 0) return FailErrno("close descriptors");
  return {};
}

bool Names(std::span<const PlacedFd> fds, int number) {
  return std::any_of(fds.begin(), fds.end(), [&](const PlacedFd& placed) { return placed.number == number; });
}

// The sources may themselves stand at fixed numbers: all go out of the way before the first is placed.
Result<std::vector<HighFd>> LiftAll(std::span<const PlacedFd> fds) {
  std::vector<HighFd> lifted;
  for (const PlacedFd& placed : fds) {
    if (placed.number < 0 || placed.number >= kHighFd) {
      return Fail(Code::kInvalidArgument, "descriptor number " + std::to_string(placed.number) + " is out of range");
    }
    lifted.push_back({REEVE_TRY(DuplicateHigh(placed.fd)), placed.number});
  }
  for (int number = 0; number <= STDERR_FILENO; ++number) {
    if (Names(fds, number)) continue;
    UniqueFd null = REEVE_TRY(sys::Open("/dev/null", O_RDWR));
    REEVE_TRY(MoveHigh(null));
    lifted.push_back({std::move(null), number});
  }
  return lifted;
}

}  // namespace

Status CloseAllBut(std::vector<int> wanted) {
  std::sort(wanted.begin(), wanted.end());
  unsigned first = 0;
  for (const int number : wanted) {
    if (number < static_cast<int>(first)) continue;
    const auto keep = static_cast<unsigned>(number);
    if (keep > first) REEVE_TRY(CloseRange(first, keep - 1));
    first = keep + 1;
  }
  return CloseRange(first, UINT_MAX);
}

Result<UniqueFd> DuplicateHigh(int fd) {
  UniqueFd high(::fcntl(fd, F_DUPFD_CLOEXEC, kHighFd));
  if (!high) return FailErrno("duplicate descriptor " + std::to_string(fd));
  return high;
}

Status MoveHigh(UniqueFd& fd) {
  fd = REEVE_TRY(DuplicateHigh(fd.get()));
  return {};
}

Status PlaceAt(int fd, int number) {
  if (::dup2(fd, number) < 0) return FailErrno("place descriptor " + std::to_string(number));
  return {};
}

Status ArrangeDescriptors(std::span<const PlacedFd> fds, std::span<const int> kept) {
  std::vector<int> wanted(kept.begin(), kept.end());
  {
    const std::vector<HighFd> lifted = REEVE_TRY(LiftAll(fds));
    for (const HighFd& high : lifted) {
      REEVE_TRY(PlaceAt(high.fd.get(), high.number));
      wanted.push_back(high.number);
    }
  }
  return CloseAllBut(std::move(wanted));
}

}  // namespace reeve::sandbox
