#include "plugins/fsfreeze/freeze_cycle.h"

#include <algorithm>
#include <future>
#include <ranges>
#include <utility>

namespace reeve::fsfreeze {

namespace {

using Milliseconds = Freezer::Milliseconds;

// Nobody else may be left to thaw what the kernel is freezing yet, so this is far more than the two seconds that plugins have for
// their end. A warden that waits does not kill a worker that thaws, and the service manager's next step waits for it (reeved --thaw).
constexpr std::chrono::minutes kEndingPatience{2};

constexpr char kEndedEarly[] = "an earlier process of this plugin ended while it froze or thawed";

constexpr char kNotQuiet[] =
    "nothing was frozen: the agent did not confirm in time that it writes no log while file systems are frozen";

std::string FirstFailure(const std::vector<HookReport>& reports) {
  const auto failed = std::ranges::find_if(reports, [](const HookReport& each) { return !each.is_success(); });
  return failed == reports.end() ? std::string() : failed->ErrorText();
}

std::vector<std::string> PathsOf(const std::vector<HookReport>& reports) {
  std::vector<std::string> paths;
  for (const HookReport& report : reports) paths.push_back(report.path);
  return paths;
}

const char* WordsOf(EndReason reason) {
  switch (reason) {
    case EndReason::kThawed:
      return "thawed by the host";
    case EndReason::kTimeout:
      return "thawed by the thaw timeout: nobody renewed the freeze";
    case EndReason::kCancelled:
      return "the freeze was cancelled";
    case EndReason::kFailed:
      return "the freeze failed";
    case EndReason::kNothingFrozen:
      return "there was nothing to freeze";
    case EndReason::kWorkerRestarted:
      return "thawed by a new process of the plugin";
  }
  return "";
}

}  // namespace

FreezeCycle::FreezeCycle(plugin::Agent& agent, const Settings& settings, World& world, TrimGate& gate)
    : agent_(agent),
      settings_(settings),
      world_(world),
      gate_(gate),
      freezer_(*world.file_systems, world.list_fd, world.now_ms),
      hooks_(agent) {}

// ---- after an earlier process

void FreezeCycle::Resume(const storage::FreezeList& list) {
  if (list.state == storage::FreezeListState::kNothing && list.entries.empty()) return;
  inherited_ = list.entries;
  for (const storage::FreezeEntry& entry : std::views::reverse(list.entries))
    report_.mounts.push_back({.target = {entry.device, entry.mount_point, ""}, .result = MountResult::kFrozen});
  report_.frozen_count = list.entries.size();
  report_.began_ms = agent_.NowMs();
  agent_.SetHeld(std::max<size_t>(1, list.entries.size()));
  told_hooks_ = settings_.hooks;
  freezer_.AdoptList(list);
  const auto left = storage::TimeLeftAt(list, storage::MonotonicNow());
  if (list.state == storage::FreezeListState::kFrozen && (!left || left->count() > 0)) {
    phase_ = Phase::kFrozen;
    Log(REEVE_LOG_WARNING, "file systems are frozen, by an earlier process of this plugin");
    return StartTimer(left ? std::optional<uint64_t>(left->count()) : std::nullopt);
  }
  End(left && left->count() == 0 ? EndReason::kTimeout : EndReason::kWorkerRestarted, kEndedEarly);
  StartThaw(Others::kLeave);
}

// ---- freezing

void FreezeCycle::Freeze(Choose choose, OnCounted on_done) {
  report_ = {};
  thawed_count_ = 0;
  others_ = Others::kLeave;
  inherited_.clear();
  choose_ = std::move(choose);
  on_frozen_ = std::move(on_done);
  freezer_.Rearm();
  agent_.SetHeld(1);
  phase_ = Phase::kFreezing;
  NoteHooks(settings_.hooks);
  tells_hooks_ = true;
  const auto on_failure =
      settings_.is_hook_failure_fatal ? HookSequence::OnFailure::kStop : HookSequence::OnFailure::kGoOn;
  hooks_.Run(settings_.hooks, HookAction::kFreeze, settings_.hook_timeout_ms, on_failure,
             [this](std::vector<HookReport> reports) { OnFreezeHooks(std::move(reports)); });
}

// Whoever comes after a process that dies meanwhile has to tell them of a thaw.
void FreezeCycle::NoteHooks(const std::vector<std::string>& paths) {
  if (paths.empty()) return;
  if (const Status noted = freezer_.BeginList(); !noted) Log(REEVE_LOG_ERROR, noted.error().message());
}

void FreezeCycle::OnFreezeHooks(std::vector<HookReport> reports) {
  tells_hooks_ = false;
  told_hooks_ = PathsOf(reports);
  const std::string failure = FirstFailure(reports);
  report_.hooks = std::move(reports);
  if (!failure.empty() && settings_.is_hook_failure_fatal) End(EndReason::kFailed, failure);
  if (report_.end) return EndBeforeFreezing();
  AwaitQuiet();
}

// A line that core or warden wrote to a file system that is being frozen would hold them up until it is thawed.
void FreezeCycle::AwaitQuiet() {
  awaits_quiet_ = true;
  const int32_t status = agent_.Quiesce([this, wish = ++quiet_wish_](int32_t answer) {
    if (awaits_quiet_ && wish == quiet_wish_) OnQuiet(answer);
  });
  if (status != REEVE_OK) OnQuiet(status);
}

void FreezeCycle::OnQuiet(int32_t status) {
  awaits_quiet_ = false;
  if (status == REEVE_OK) return ChooseTargets();
  End(EndReason::kFailed, kNotQuiet);
  EndBeforeFreezing();
}

void FreezeCycle::ChooseTargets() {
  Result<Listing> listing = world_.mounts->List();
  if (listing) report_.left_out = std::move(listing->left_out);
  Result<std::vector<Target>> targets =
      listing ? choose_(listing->targets) : Result<std::vector<Target>>(Fail(listing.error()));
  if (targets) return FreezeTargets(std::move(*targets));
  End(EndReason::kFailed, targets.error().message());
  EndBeforeFreezing();
}

// Nothing is frozen yet, unless by others.
void FreezeCycle::EndBeforeFreezing() {
  if (others_ == Others::kThawToo) return StartThaw(others_);
  TellThawHooks(told_hooks_);
}

void FreezeCycle::FreezeTargets(std::vector<Target> targets) {
  report_.began_ms = agent_.NowMs();
  is_freezing_ = true;
  StartTimer(settings_.thaw_timeout_ms == 0 ? std::nullopt : std::optional<uint64_t>(settings_.thaw_timeout_ms));
  world_.freezing->Do([this, targets = std::move(targets), left = TimeLeft()] {
    gate_.Close([this] { return freezer_.is_cancelled(); });
    FreezeOutcome outcome = freezer_.Freeze(targets, settings_.on_mount_failure, left);
    // A thaw that began meanwhile may hang: thawing writes, and on a loop device that waits for the file system below, whose freeze
    // has only now come to its end. This thread is the one that is free to thaw it.
    const size_t thawed = outcome.error.empty() ? 0 : freezer_.ThawHeld(ThawScope::kAll).thawed_count;
    agent_.Post([this, outcome = std::move(outcome), thawed] {
      thawed_count_ += thawed;
      OnFreezeDone(outcome);
    });
  });
}

void FreezeCycle::OnFreezeDone(FreezeOutcome outcome) {
  is_freezing_ = false;
  report_.mounts = std::move(outcome.mounts);
  report_.frozen_count = outcome.frozen_count;
  if (!outcome.error.empty()) End(EndReason::kFailed, outcome.error);
  if (outcome.frozen_count == 0) End(EndReason::kNothingFrozen, "");
  if (report_.end) return StartThaw(others_);
  agent_.SetHeld(outcome.frozen_count);
  Log(REEVE_LOG_INFO, std::to_string(outcome.frozen_count) + " file systems are frozen");
  SetPhase(Phase::kFrozen);
  AnswerFreeze(outcome.frozen_count);
}

// ---- why it ends

void FreezeCycle::End(EndReason reason, const std::string& why) {
  if (report_.end) return;
  report_.end = reason;
  report_.error = why;
}

void FreezeCycle::Cancel(EndReason reason, const std::string& why, Others others) {
  End(reason, why);
  freezer_.Cancel();
  if (others == Others::kThawToo) others_ = others;
  if (tells_hooks_) return hooks_.Cancel();
  if (std::exchange(awaits_quiet_, false)) return EndBeforeFreezing();
  if (!is_freezing_) return;
  gate_.Wake();
  // What it hangs for may be one that it has frozen itself, or somebody else.
  world_.thawing->Do([this, targets = TargetsOf(others)] {
    const size_t count = freezer_.ThawHeld(ThawScope::kBesideFreeze).thawed_count +
                         freezer_.ThawOthers(targets, ThawScope::kBesideFreeze).thawed_count;
    agent_.Post([this, count] { thawed_count_ += count; });
  });
}

void FreezeCycle::GiveUpFreeze(const std::string& why) {
  if (phase_ == Phase::kFreezing) Cancel(EndReason::kCancelled, why, Others::kLeave);
  AnswerFreeze(Fail(Code::kTimedOut, why));
}

// ---- thawing

void FreezeCycle::Thaw(OnCounted on_done) {
  on_thawed_.push_back(std::move(on_done));
  switch (phase_) {
    case Phase::kThawed:
      thawed_count_ = 0;
      is_bare_thaw_ = true;
      report_.hooks.resize(hook_reports_);
      told_hooks_ = settings_.hooks;
      return StartThaw(Others::kThawToo);
    case Phase::kFreezing:
      return Cancel(EndReason::kCancelled, "the freeze was cancelled by guest-fsfreeze-thaw", Others::kThawToo);
    case Phase::kFrozen:
      End(EndReason::kThawed, "");
      return StartThaw(Others::kThawToo);
    case Phase::kThawing:
    case Phase::kThawHooks:
      return;
  }
}

void FreezeCycle::StartThaw(Others others) {
  phase_ = Phase::kThawing;
  StopTimer();
  agent_.SetHeld(std::max<size_t>(1, report_.frozen_count));
  world_.thawing->Do([this, targets = TargetsOf(others)] {
    ThawOutcome outcome = ThawEverything(targets);
    agent_.Post([this, outcome = std::move(outcome)] { OnThawDone(outcome); });
  });
}

std::vector<Target> FreezeCycle::TargetsOf(Others others) {
  if (others == Others::kLeave) return {};
  Result<Listing> listing = world_.mounts->List();
  return listing ? std::move(listing->targets) : std::vector<Target>();
}

ThawOutcome FreezeCycle::ThawEverything(const std::vector<Target>& others) {
  ThawOutcome outcome = freezer_.ThawHeld(ThawScope::kAll);
  if (!inherited_.empty()) {
    storage::ThawReport report = world_.thaw_listed(inherited_);
    outcome.thawed_count += report.thawed.size();
    std::ranges::move(report.failures, std::back_inserter(outcome.failures));
  }
  ThawOutcome of_others = freezer_.ThawOthers(others, ThawScope::kAll);
  outcome.thawed_count += of_others.thawed_count;
  return outcome;
}

void FreezeCycle::OnThawDone(const ThawOutcome& outcome) {
  thawed_count_ += outcome.thawed_count;
  if (!outcome.failures.empty()) return OnThawFailed(outcome.failures.front());
  report_.frozen_ms = FrozenMs();
  const bool ends_freeze = std::exchange(report_.began_ms, std::nullopt).has_value();
  if (const Status released = freezer_.Release(); !released) Log(REEVE_LOG_ERROR, released.error().message());
  inherited_.clear();
  gate_.Open();
  if (ends_freeze && report_.end)
    Log(REEVE_LOG_INFO, std::string("nothing is frozen any more: ") + WordsOf(*report_.end));
  TellThawHooks(told_hooks_);
}

void FreezeCycle::OnThawFailed(const std::string& why) {
  Log(REEVE_LOG_ERROR, why + "; it is tried again");
  SetPhase(Phase::kFrozen);
  StartTimer(kRetryMs);
  AnswerFreeze(Fail(Code::kSystem, report_.error));
  AnswerThaws(Fail(Code::kSystem, why));
}

void FreezeCycle::TellThawHooks(std::vector<std::string> paths) {
  SetPhase(Phase::kThawHooks);
  NoteHooks(paths);
  std::ranges::reverse(paths);
  hooks_.Run(std::move(paths), HookAction::kThaw, settings_.hook_timeout_ms, HookSequence::OnFailure::kGoOn,
             [this](std::vector<HookReport> reports) { OnThawHooks(std::move(reports)); });
}

void FreezeCycle::OnThawHooks(std::vector<HookReport> reports) {
  const std::string failure = FirstFailure(reports);
  std::ranges::move(reports, std::back_inserter(report_.hooks));
  if (!failure.empty()) Log(REEVE_LOG_WARNING, failure);
  Finish(failure);
}

void FreezeCycle::Finish(const std::string& hook_error) {
  if (const Status released = freezer_.Release(); !released) Log(REEVE_LOG_ERROR, released.error().message());
  agent_.SetFreezeEnd(EndText());
  agent_.SetHeld(0);
  SetPhase(Phase::kThawed);
  if (!std::exchange(is_bare_thaw_, false)) hook_reports_ = report_.hooks.size();
  const bool was_nothing = report_.end == EndReason::kNothingFrozen;
  AnswerFreeze(was_nothing ? Result<size_t>(0) : Fail(Code::kSystem, report_.error));
  AnswerThaws(hook_error.empty() ? Result<size_t>(thawed_count_) : Fail(Code::kSystem, hook_error));
}

std::string FreezeCycle::EndText() const {
  if (is_bare_thaw_ || !report_.end) return WordsOf(EndReason::kThawed);
  const std::string words = WordsOf(*report_.end);
  return report_.error.empty() ? words : words + ": " + report_.error;
}

void FreezeCycle::AnswerFreeze(const Result<size_t>& result) {
  if (const OnCounted on_done = std::exchange(on_frozen_, nullptr)) on_done(result);
}

void FreezeCycle::AnswerThaws(const Result<size_t>& result) {
  for (const OnCounted& on_done : std::exchange(on_thawed_, {})) on_done(result);
}

void FreezeCycle::WhenSettled(OnPhase on_phase) {
  if (phase_ == Phase::kFreezing || phase_ == Phase::kThawing) return on_settled_.push_back(std::move(on_phase));
  on_phase(phase_ == Phase::kFrozen ? Phase::kFrozen : Phase::kThawed);
}

void FreezeCycle::SetPhase(Phase phase) {
  phase_ = phase;
  for (const OnPhase& on_phase : std::exchange(on_settled_, {})) WhenSettled(on_phase);
}

// ---- the thaw timeout

void FreezeCycle::StartTimer(std::optional<uint64_t> timeout_ms) {
  StopTimer();
  agent_.SetFreezeTimeLeft(timeout_ms.value_or(0));
  if (!timeout_ms) return;
  deadline_ms_ = agent_.NowMs() + *timeout_ms;
  timer_ = agent_.After(std::min(*timeout_ms, kTickMs), [this] { Tick(); });
}

void FreezeCycle::StopTimer() {
  agent_.Cancel(timer_);
  timer_ = 0;
  deadline_ms_.reset();
}

void FreezeCycle::Tick() {
  const uint64_t left_ms = TimeLeftMs().value_or(0);
  if (left_ms == 0) return OnTimeout();
  timer_ = agent_.After(std::min(left_ms, kTickMs), [this] { Tick(); });
  if (const Status written = freezer_.WriteTimeLeft(TimeLeft()); !written)
    Log(REEVE_LOG_WARNING, written.error().message());
}

void FreezeCycle::OnTimeout() {
  StopTimer();
  if (phase_ == Phase::kFreezing)
    return Cancel(EndReason::kTimeout, "the freeze was cancelled: it took longer than the thaw timeout",
                  Others::kLeave);
  if (phase_ != Phase::kFrozen) return;
  End(EndReason::kTimeout, "");
  if (report_.end == EndReason::kTimeout) Log(REEVE_LOG_WARNING, WordsOf(EndReason::kTimeout));
  StartThaw(Others::kLeave);
}

Status FreezeCycle::Renew(std::optional<uint64_t> timeout_ms) {
  if (phase_ != Phase::kFrozen) return Fail(Code::kInvalidArgument, "nothing is frozen");
  // The guest's policy says how long at most; a host may say less.
  const uint64_t most_ms = settings_.thaw_timeout_ms;
  if (most_ms != 0) timeout_ms = std::min(timeout_ms.value_or(most_ms), most_ms);
  StartTimer(timeout_ms);
  return freezer_.WriteTimeLeft(TimeLeft());
}

std::optional<uint64_t> FreezeCycle::TimeLeftMs() const {
  if (!deadline_ms_) return std::nullopt;
  const uint64_t now_ms = agent_.NowMs();
  return *deadline_ms_ > now_ms ? *deadline_ms_ - now_ms : 0;
}

std::optional<Milliseconds> FreezeCycle::TimeLeft() const {
  const std::optional<uint64_t> left_ms = TimeLeftMs();
  return left_ms ? std::optional<Milliseconds>(*left_ms) : std::nullopt;
}

uint64_t FreezeCycle::FrozenMs() const {
  return report_.began_ms ? agent_.NowMs() - *report_.began_ms : report_.frozen_ms;
}

// ---- the end

// What the threads still do afterwards ends with the process; what is then still in the list others thaw.
void FreezeCycle::ThawBeforeEnd() {
  if (phase_ == Phase::kThawed || phase_ == Phase::kThawHooks) return;
  freezer_.Cancel();
  gate_.Wake();
  const auto are_thawed = std::make_shared<std::promise<bool>>();
  std::future<bool> result = are_thawed->get_future();
  const auto thaw = [this, are_thawed] { are_thawed->set_value(ThawEverything({}).failures.empty()); };
  if (is_freezing_) {
    // First what stands frozen, for which a freeze may hang; then, after it, the rest.
    world_.thawing->Do([this] { freezer_.ThawHeld(ThawScope::kBesideFreeze); });
    world_.freezing->Do([this, thaw] { world_.thawing->Do(thaw); });
  } else {
    world_.thawing->Do(thaw);
  }
  if (result.wait_for(kEndingPatience) == std::future_status::ready && result.get())
    static_cast<void>(freezer_.Release());
}

}  // namespace reeve::fsfreeze
