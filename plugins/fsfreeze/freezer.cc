#include "plugins/fsfreeze/freezer.h"

#include <algorithm>
#include <cerrno>
#include <ranges>
#include <utility>

namespace reeve::fsfreeze {

namespace {

// Nobody froze one file system more often; somebody may be freezing it again and again.
constexpr int kMaxThaws = 64;

constexpr char kListOnDisk[] =
    "the agent's state directory is on a disk, where it could not be written then; use one on a tmpfs: "
    "-t (--statedir) /run/reeve";

// qemu-ga's texts: "failed to open /mnt: Permission denied".
std::string FailedTo(const char* deed, const std::string& mountpoint, const Error& error) {
  const std::string why = error.system_errno() != 0 ? ErrnoText(error.system_errno()) : error.message();
  return std::string("failed to ") + deed + " " + mountpoint + ": " + why;
}

// What qemu-ga passes over without a word: it cannot be frozen, or is already.
std::optional<MountResult> PassedOver(const Error& error) {
  if (error.system_errno() == EOPNOTSUPP) return MountResult::kUnsupported;
  if (error.system_errno() == EBUSY) return MountResult::kAlreadyFrozen;
  return std::nullopt;
}

}  // namespace

FreezeOutcome Freezer::Freeze(const std::vector<Target>& targets, OnMountFailure on_failure,
                              std::optional<Milliseconds> time_left) {
  FreezeOutcome outcome;
  for (const Target& target : std::views::reverse(targets)) outcome.mounts.push_back({.target = target});
  if (!OpenAll(on_failure, outcome) || !MayWriteList(outcome)) return outcome;
  {
    const std::lock_guard lock(list_mutex_);
    const Status begun = list_.Begin(time_left);
    if (!begun) outcome.error = begun.error().message();
    if (!begun) return outcome;
  }
  for (Held& held : std::views::reverse(held_))
    if (!Begin(held.target) || !FreezeOne(held, on_failure, outcome)) break;
  {
    const std::lock_guard lock(mutex_);
    being_frozen_.reset();
  }
  if (is_cancelled_ && outcome.error.empty()) outcome.error = "the freeze was cancelled";
  if (!outcome.error.empty()) return outcome;
  const std::lock_guard lock(list_mutex_);
  if (const Status written = list_.SetFrozen(); !written) outcome.error = written.error().message();
  return outcome;
}

// From the last on, as they are frozen: so the first that fails is the one that a host hears of from qemu-ga.
bool Freezer::OpenAll(OnMountFailure on_failure, FreezeOutcome& outcome) {
  std::vector<Held> opened;
  for (MountReport& report : outcome.mounts) {
    const uint64_t began_ms = now_ms_();
    Result<UniqueFd> fd = calls_.Open(report.target.mountpoint, report.target.device);
    report.duration_ms = now_ms_() - began_ms;
    if (fd) {
      const auto index = static_cast<size_t>(&report - outcome.mounts.data());
      opened.push_back({report.target, std::move(*fd), Hold::kOpen, index});
      continue;
    }
    report.result = MountResult::kFailed;
    report.error = FailedTo("open", report.target.mountpoint, fd.error());
    if (on_failure == OnMountFailure::kSkip) continue;
    outcome.error = report.error;
    return false;
  }
  std::ranges::reverse(opened);
  const std::lock_guard lock(mutex_);
  held_ = std::move(opened);
  return true;
}

// Who writes the list of what is frozen would wait for the thaw that it is to bring about.
bool Freezer::MayWriteList(FreezeOutcome& outcome) {
  for (const Held& held : held_) {
    const Result<bool> holds_up = calls_.HoldsUp(held.fd.get(), list_fd_);
    if (holds_up && !*holds_up) continue;
    MountReport& report = outcome.mounts[held.report];
    report.result = MountResult::kFailed;
    report.error =
        "failed to freeze " + held.target.mountpoint + ": " + (holds_up ? kListOnDisk : holds_up.error().message());
    outcome.error = report.error;
    return false;
  }
  return true;
}

void Freezer::Cancel() {
  const std::lock_guard lock(mutex_);
  is_cancelled_ = true;
}

// One that is cancelled goes on to nothing that a thaw beside it has not been told of.
bool Freezer::Begin(const Target& target) {
  const std::lock_guard lock(mutex_);
  if (!is_cancelled_) being_frozen_ = target.device;
  return !is_cancelled_;
}

bool Freezer::IsWithin(ThawScope scope, const Target& target) const {
  if (scope == ThawScope::kAll || !being_frozen_) return true;
  return target.device != *being_frozen_ &&
         std::ranges::find(target.stands_on, *being_frozen_) == target.stands_on.end();
}

bool Freezer::FreezeOne(Held& held, OnMountFailure on_failure, FreezeOutcome& outcome) {
  MountReport& report = outcome.mounts[held.report];
  if (const Status written = WriteEntry(held.target); !written) {
    outcome.error = written.error().message();
    return false;
  }
  const uint64_t began_ms = now_ms_();
  const Status frozen = calls_.Freeze(held.fd.get());
  report.duration_ms += now_ms_() - began_ms;
  if (frozen) {
    Mark(held, Hold::kFrozen);
    report.result = MountResult::kFrozen;
    ++outcome.frozen_count;
    return true;
  }
  const std::optional<MountResult> passed_over = PassedOver(frozen.error());
  report.result = passed_over.value_or(MountResult::kFailed);
  if (passed_over) return true;
  report.error = FailedTo("freeze", held.target.mountpoint, frozen.error());
  if (on_failure == OnMountFailure::kFatal) outcome.error = report.error;
  return on_failure == OnMountFailure::kSkip;
}

Status Freezer::WriteEntry(const Target& target) {
  const std::lock_guard lock(list_mutex_);
  return list_.Add({target.device, target.mountpoint});
}

void Freezer::Mark(Held& held, Hold hold) {
  const std::lock_guard lock(mutex_);
  held.hold = hold;
}

bool Freezer::TakeForThaw(Held& held, ThawScope scope) {
  const std::lock_guard lock(mutex_);
  if (held.hold != Hold::kFrozen || !IsWithin(scope, held.target)) return false;
  held.hold = Hold::kThawed;
  return true;
}

Status Freezer::BeginList() {
  const std::lock_guard lock(list_mutex_);
  return list_.Begin(std::nullopt);
}

void Freezer::AdoptList(const storage::FreezeList& list) {
  const std::lock_guard lock(list_mutex_);
  list_.Adopt(list);
}

ThawOutcome Freezer::ThawHeld(ThawScope scope) {
  ThawOutcome outcome;
  for (size_t i = 0;; ++i) {
    Held* held = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (i < held_.size()) held = &held_[i];
    }
    if (held == nullptr) return outcome;
    if (!TakeForThaw(*held, scope)) continue;
    const size_t failures = outcome.failures.size();
    if (ThawFully(held->fd.get(), held->target.mountpoint, outcome)) ++outcome.thawed_count;
    if (outcome.failures.size() > failures) Mark(*held, Hold::kFrozen);
  }
}

ThawOutcome Freezer::ThawOthers(const std::vector<Target>& targets, ThawScope scope) {
  ThawOutcome outcome;
  for (const Target& target : targets) {
    {
      const std::lock_guard lock(mutex_);
      if (!IsWithin(scope, target)) continue;
    }
    const Result<UniqueFd> fd = calls_.Open(target.mountpoint, target.device);
    if (fd && ThawFully(fd->get(), target.mountpoint, outcome)) ++outcome.thawed_count;
  }
  return outcome;
}

bool Freezer::ThawFully(int fd, const std::string& mountpoint, ThawOutcome& outcome) {
  for (int i = 0; i < kMaxThaws; ++i) {
    const Status thawed = calls_.Thaw(fd);
    if (thawed) continue;
    const int why = thawed.error().system_errno();
    // EINVAL: it is not frozen; EOPNOTSUPP: it cannot be.
    if (i == 0 && why != EINVAL && why != EOPNOTSUPP)
      outcome.failures.push_back(FailedTo("thaw", mountpoint, thawed.error()));
    return i > 0;
  }
  return true;
}

Status Freezer::WriteTimeLeft(std::optional<Milliseconds> time_left) {
  const std::lock_guard lock(list_mutex_);
  return list_.SetTimeLeft(time_left);
}

Status Freezer::Release() {
  {
    const std::lock_guard lock(mutex_);
    held_.clear();
  }
  const std::lock_guard lock(list_mutex_);
  return list_.Clear();
}

}  // namespace reeve::fsfreeze
