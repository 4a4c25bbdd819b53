#pragma once

#include <span>
#include <vector>

#include "agent/sandbox/confine_child.h"
#include "base/result.h"
#include "base/unique_fd.h"

// Descriptor numbers of a child before exec.

namespace reeve::sandbox {

// The child's own helpers (binary, report pipe, mounts) stand from here up, close-on-exec, out of the way of
// every fixed number. Below the usual soft limit of 1,024 descriptors.
inline constexpr int kHighFd = 256;

// `fd` becomes the same file at kHighFd or above, close-on-exec.
Status MoveHigh(UniqueFd& fd);
Result<UniqueFd> DuplicateHigh(int fd);

// `fd` stands at `number`, which stays open over exec; what stood there is closed.
Status PlaceAt(int fd, int number);

// Closes every descriptor but those of `wanted`, in any order, negative ones left out.
Status CloseAllBut(std::vector<int> wanted);

// Every descriptor of `fds` stands at its number, /dev/null where 0, 1 or 2 are not named; all others below
// kHighFd are closed, and above it all but `kept`. REQUIRES: numbers below kHighFd, `kept` at or above it.
Status ArrangeDescriptors(std::span<const PlacedFd> fds, std::span<const int> kept);

}  // namespace reeve::sandbox
