#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Which file systems the freezing plugin has frozen, as a file that outlives its worker: `state/fsfreeze` in the run
// directory, which is on no disk (tmpfs). The worker inherits it as descriptor `state:fsfreeze`; `reeved` reads it by name.
// Each entry stands in it before its file system is frozen, so it may name one that is not: thawing that does no harm.

namespace reeve::storage {

// A device number as mountinfo has it; btrfs has a made-up one, of major 0.
struct Device {
  uint32_t major = 0;
  uint32_t minor = 0;
  bool operator==(const Device&) const = default;
};

struct FreezeEntry {
  Device device;
  std::string mount_point;  // absolute, as the worker saw it
  bool operator==(const FreezeEntry&) const = default;
};

enum class FreezeListState : uint32_t {
  kNothing = 0,   // nothing is frozen
  kFreezing = 1,  // the worker was at it: whoever finds this alone is to thaw at once
  kFrozen = 2,    // all that was to be is, until the time is over
};

struct FreezeList {
  FreezeListState state = FreezeListState::kNothing;
  // Running time until it is to be thawed, as of `written_at`; none: nobody waits for that.
  std::optional<std::chrono::milliseconds> time_left;
  std::chrono::nanoseconds began_at{0};    // CLOCK_MONOTONIC
  std::chrono::nanoseconds written_at{0};  // CLOCK_MONOTONIC
  std::vector<FreezeEntry> entries;        // in the order in which they were frozen
  bool is_damaged = false;                 // something in it could not be read; what could be stands above
};

// Takes any bytes. A list that is damaged and has entries is kFreezing: they are to be thawed.
FreezeList ParseFreezeList(std::string_view bytes);

// What is left at `now` (CLOCK_MONOTONIC) of a list's time_left: what passed since it was written counts as one step of
// running time, kLongestStep at most. Never below 0.
std::optional<std::chrono::milliseconds> TimeLeftAt(const FreezeList& list, std::chrono::nanoseconds now);

// CLOCK_MONOTONIC, which all processes of one boot share.
std::chrono::nanoseconds MonotonicNow();

// No larger file is read, and no more is written: some ten thousand mounts.
inline constexpr size_t kMaxFreezeListBytes = 1024 * 1024;
inline constexpr size_t kMaxMountPointBytes = 4096;

// The file, for whoever writes it. What was written stands when the call returns, whatever becomes of this process. One
// writer at a time; not thread-safe.
class FreezeListFile {
 public:
  // `fd` is lent for the life of this, open for reading and writing.
  explicit FreezeListFile(int fd) : fd_(fd) {}

  // An empty file is an empty list.
  Result<FreezeList> Read() const;

  // A new list without entries, kFreezing. What stood in the file is gone.
  Status Begin(std::optional<std::chrono::milliseconds> time_left);
  // REQUIRES, as all below but Clear: Begin, or Adopt. Fails with kTooLarge, kInvalidArgument for a path that is none.
  Status Add(const FreezeEntry& entry);
  Status SetFrozen();
  // To be said each second, so that a new worker knows: it cannot count what this one has counted.
  Status SetTimeLeft(std::optional<std::chrono::milliseconds> time_left);
  // Goes on with a list that another process began.
  void Adopt(const FreezeList& list);
  // Nothing is frozen any more: zeros only, for scripts to see (packaging/debian/postinst).
  Status Clear();

 private:
  Status WriteHead();
  Status WriteAt(std::string_view bytes, size_t offset);
  Status WipeFrom(size_t offset);

  int fd_;
  FreezeList head_;  // but for the entries
  size_t end_ = 0;   // where the next entry goes
};

}  // namespace reeve::storage
