#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/fsfreeze/freezer.h"
#include "plugins/fsfreeze/hook_run.h"
#include "plugins/fsfreeze/mount_source.h"
#include "plugins/fsfreeze/settings.h"
#include "plugins/fsfreeze/trimmer.h"
#include "plugins/fsfreeze/work_thread.h"
#include "reeve/plugin.hpp"
#include "storage/thaw_all.h"

namespace reeve::fsfreeze {

// What the plugin acts on and with, so that a test can play it. Plain value; all live as long as the process.
struct World {
  std::unique_ptr<FileSystems> file_systems;
  std::unique_ptr<MountSource> mounts;
  // Three, since each may hang: what a freeze hangs for may be thawed only by another thread.
  WorkQueue* freezing = nullptr;
  WorkQueue* thawing = nullptr;
  WorkQueue* trimming = nullptr;
  int list_fd = -1;
  Freezer::NowMs now_ms;  // from any thread
  // Thaws what an earlier process left frozen. On the thread of `thawing`.
  std::function<storage::ThawReport(std::span<const storage::FreezeEntry>)> thaw_listed;
};

enum class Phase : uint8_t {
  kThawed,
  kFreezing,  // from the first hook to the last file system
  kFrozen,
  kThawing,
  kThawHooks,  // nothing is frozen any more, the hooks are being told
};

enum class EndReason : uint8_t { kThawed, kTimeout, kCancelled, kFailed, kNothingFrozen, kWorkerRestarted };

// The last freeze, or the one under way.
struct CycleReport {
  size_t frozen_count = 0;
  std::optional<uint64_t> began_ms;  // when the first file system was to be frozen; none: all is thawed
  uint64_t frozen_ms = 0;            // how long it took from there until it was thawed
  std::optional<EndReason> end;
  std::string error;
  std::vector<MountReport> mounts;
  std::vector<LeftOutReport> left_out;
  std::vector<HookReport> hooks;
};

// From the first hook of a freeze to the last hook of its thaw; one at a time. Whatever happens in between, it ends thawed:
// by the host, by the timeout, or because something failed. Not thread-safe; of the loop's thread.
class FreezeCycle {
 public:
  // Chooses what is to be frozen.
  using Choose = std::function<Result<std::vector<Target>>(const std::vector<Target>&)>;
  using OnCounted = std::function<void(const Result<size_t>&)>;
  using OnPhase = std::function<void(Phase)>;

  // All are lent for the life of this.
  FreezeCycle(plugin::Agent& agent, const Settings& settings, World& world, TrimGate& gate);
  FreezeCycle(const FreezeCycle&) = delete;
  FreezeCycle& operator=(const FreezeCycle&) = delete;

  // Takes up what an earlier process left. Once, before all else.
  void Resume(const storage::FreezeList& list);

  // REQUIRES: phase() is kThawed. `on_done` hears once how many file systems are frozen now.
  void Freeze(Choose choose, OnCounted on_done);
  // Whatever the phase: thaws, and tells hooks; or waits for a thaw that is under way. A freeze that is under way fails.
  // `on_done` hears how many file systems were thawed.
  void Thaw(OnCounted on_done);
  // The freeze that is under way fails, and its `on_done` hears so at once; then all is thawed.
  void GiveUpFreeze(const std::string& why);
  // `on_phase` hears, now or once a freeze or thaw is through, whether all is kThawed or kFrozen.
  void WhenSettled(OnPhase on_phase);

  // How long it may stay frozen from now on, at most the timeout of the settings; none: that timeout. Fails when nothing
  // is frozen.
  Status Renew(std::optional<uint64_t> timeout_ms);

  // The process ends: thaws at once, waits a second or two for it, tells no hook.
  void ThawBeforeEnd();

  Phase phase() const { return phase_; }
  const CycleReport& report() const { return report_; }
  // Nothing was frozen yet, nor is.
  bool is_untold() const { return phase_ == Phase::kThawed && !report_.end; }
  std::optional<uint64_t> TimeLeftMs() const;  // none: endless, or nothing is frozen
  uint64_t FrozenMs() const;                   // so far, or of the last freeze

 private:
  // qemu-ga's thaw means all that is mounted, whoever froze it; a thaw of our own only what is ours.
  enum class Others : uint8_t { kLeave, kThawToo };

  static constexpr uint64_t kTickMs = 1000;        // how often the time left is written down
  static constexpr uint64_t kRetryMs = 10 * 1000;  // until a thaw that failed is tried again

  void NoteHooks(const std::vector<std::string>& paths);
  void OnFreezeHooks(std::vector<HookReport> reports);
  void AwaitQuiet();
  void OnQuiet(int32_t status);
  void ChooseTargets();
  void FreezeTargets(std::vector<Target> targets);
  void OnFreezeDone(FreezeOutcome outcome);
  void EndBeforeFreezing();
  void Cancel(EndReason reason, const std::string& why, Others others);
  void End(EndReason reason, const std::string& why);
  std::vector<Target> TargetsOf(Others others);
  void StartThaw(Others others);
  void OnThawDone(const ThawOutcome& outcome);
  void OnThawFailed(const std::string& why);
  void TellThawHooks(std::vector<std::string> paths);
  void OnThawHooks(std::vector<HookReport> reports);
  void Finish(const std::string& hook_error);
  std::string EndText() const;  // for who asks the agent
  void AnswerFreeze(const Result<size_t>& result);
  void AnswerThaws(const Result<size_t>& result);
  void SetPhase(Phase phase);

  void StartTimer(std::optional<uint64_t> timeout_ms);
  void StopTimer();
  void Tick();
  void OnTimeout();
  std::optional<Freezer::Milliseconds> TimeLeft() const;
  ThawOutcome ThawEverything(const std::vector<Target>& others);
  void Log(uint32_t severity, const std::string& text) const { agent_.Log(severity, text); }

  plugin::Agent& agent_;
  const Settings& settings_;
  World& world_;
  TrimGate& gate_;
  Freezer freezer_;
  HookSequence hooks_;

  Phase phase_ = Phase::kThawed;
  CycleReport report_;
  Choose choose_;
  OnCounted on_frozen_;
  std::vector<OnCounted> on_thawed_;
  std::vector<OnPhase> on_settled_;
  std::vector<std::string> told_hooks_;  // of the freeze: those that ran, whatever came of it
  bool is_bare_thaw_ = false;            // of nothing that was frozen here
  size_t hook_reports_ = 0;              // less those of bare thaws
  bool tells_hooks_ = false;             // hooks are told to freeze
  uint64_t quiet_wish_ = 0;              // numbers the waits for a quiet agent
  bool awaits_quiet_ = false;            // the agent is to be quiet before the first is frozen
  bool is_freezing_ = false;             // its thread is at it
  size_t thawed_count_ = 0;
  Others others_ = Others::kLeave;               // with the thaw after a freeze that was cancelled
  std::vector<storage::FreezeEntry> inherited_;  // what an earlier process froze
  std::optional<uint64_t> deadline_ms_;
  uint64_t timer_ = 0;
};

}  // namespace reeve::fsfreeze
