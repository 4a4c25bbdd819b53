#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "plugins/fsfreeze/file_systems.h"
#include "plugins/fsfreeze/target.h"
#include "storage/freeze_list.h"

namespace reeve::fsfreeze {

enum class MountResult : uint8_t {
  kNotFrozen,      // it was not tried: an earlier one failed, or the freeze was cancelled
  kFrozen,         // by this freeze
  kUnsupported,    // its kind of file system cannot be frozen
  kAlreadyFrozen,  // by somebody else
  kFailed,
};

struct MountReport {
  Target target;
  MountResult result = MountResult::kNotFrozen;
  uint64_t duration_ms = 0;
  std::string error = {};  // of kFailed, with qemu-ga's text
};

// What becomes of the whole when one file system cannot be frozen.
enum class OnMountFailure : uint8_t { kFatal, kSkip };

struct FreezeOutcome {
  std::string error;  // empty: all that was to be frozen is
  size_t frozen_count = 0;
  std::vector<MountReport> mounts;  // in the order of freezing
};

// Which file systems a thaw takes. kBesideFreeze: neither the one that is being frozen nor what stands on that. A thaw writes; it would
// hang for that freeze, where no signal ends it, until somebody else has thawed what is below.
enum class ThawScope : uint8_t { kAll, kBesideFreeze };

struct ThawOutcome {
  size_t thawed_count = 0;            // file systems that were frozen and are not any more
  std::vector<std::string> failures;  // a line each
};

// Freezes file systems and thaws what it froze. Each is opened before the first is frozen, and stands in the list before
// it is frozen itself. Freeze may hang in the kernel: ThawHeld, from another thread, then sets free what was frozen until
// then, which may be what it hangs for.
class Freezer {
 public:
  using Milliseconds = std::chrono::milliseconds;
  using NowMs = std::function<uint64_t()>;

  // `calls` and `list_fd` are lent. `now_ms` may be called from any thread.
  Freezer(FileSystems& calls, int list_fd, NowMs now_ms)
      : calls_(calls), list_fd_(list_fd), list_(list_fd), now_ms_(std::move(now_ms)) {}

  // ---- [any thread, one at a time; may wait for disks]
  // `targets` with what others stand on before them: the last is frozen first. REQUIRES: nothing is held. A failure leaves
  // what is frozen frozen: ThawHeld follows. Nothing is frozen when the list stands on one of them.
  FreezeOutcome Freeze(const std::vector<Target>& targets, OnMountFailure on_failure,
                       std::optional<Milliseconds> time_left);
  // Thaws what is held, each until it is not frozen any more, what others stand on first. With kBesideFreeze also while Freeze
  // runs, which must have been cancelled before; what that freezes last, and the rest, is then left to another ThawHeld.
  // What fails stays held.
  ThawOutcome ThawHeld(ThawScope scope);
  // The same for what anybody else froze.
  ThawOutcome ThawOthers(const std::vector<Target>& targets, ThawScope scope);

  // ---- [any thread]
  // Freeze goes on to no further file system.
  void Cancel();
  bool is_cancelled() const { return is_cancelled_; }
  // From now on, and until Release, a process that comes after this one finds that something was under way, though nothing
  // is frozen yet or any more: hooks are being told. REQUIRES: no other call runs.
  Status BeginList();
  // Before a new Freeze.
  void Rearm() { is_cancelled_ = false; }
  // Goes on with the list that an earlier process wrote. What it froze is not held here.
  void AdoptList(const storage::FreezeList& list);
  // For whoever comes after this process.
  Status WriteTimeLeft(std::optional<Milliseconds> time_left);
  // Lets go of everything, and empties the list. REQUIRES: no other call runs.
  Status Release();

 private:
  enum class Hold : uint8_t { kOpen, kFrozen, kThawed };
  struct Held {
    Target target;
    UniqueFd fd;
    Hold hold = Hold::kOpen;
    size_t report = 0;  // its place in FreezeOutcome::mounts
  };

  bool OpenAll(OnMountFailure on_failure, FreezeOutcome& outcome);
  bool MayWriteList(FreezeOutcome& outcome);
  bool FreezeOne(Held& held, OnMountFailure on_failure, FreezeOutcome& outcome);
  Status WriteEntry(const Target& target);
  void Mark(Held& held, Hold hold);
  bool Begin(const Target& target);
  bool IsWithin(ThawScope scope, const Target& target) const;  // REQUIRES: mutex_
  bool TakeForThaw(Held& held, ThawScope scope);
  // Whether it was frozen.
  bool ThawFully(int fd, const std::string& mountpoint, ThawOutcome& outcome);

  FileSystems& calls_;
  const int list_fd_;
  storage::FreezeListFile list_;
  const NowMs now_ms_;
  std::atomic<bool> is_cancelled_ = false;
  std::mutex list_mutex_;
  std::mutex mutex_;
  std::optional<storage::Device> being_frozen_;  // guarded by mutex_
  std::vector<Held> held_;                       // guarded by mutex_; in the order of thawing
};

}  // namespace reeve::fsfreeze
