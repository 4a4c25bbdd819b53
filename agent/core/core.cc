#include "agent/core/core.h"

#include <unistd.h>

#include <algorithm>

#include "agent/core/status_report.h"
#include "base/log.h"

namespace reeve::core {
namespace {

using std::chrono::milliseconds;

// When the service stops: how long what is under way may take to be answered, and how often that is looked at.
constexpr std::chrono::seconds kStopGrace{2};
constexpr milliseconds kStopLook{20};

std::chrono::seconds Seconds(RunningTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time);
}

bool Names(const std::vector<std::string>& sinks, std::string_view prefix) {
  return std::ranges::any_of(sinks, [&](const std::string& sink) { return sink.starts_with(prefix); });
}

}  // namespace

Core::Core(EventLoop& loop, CoreSetup setup)
    : loop_(loop), setup_(std::move(setup)), freeze_(setup_.config), table_(setup_.config) {}

Core::~Core() {
  loop_.Cancel(stop_timer_);
}

Result<std::unique_ptr<Core>> Core::Create(EventLoop& loop, Clock& clock, CoreSetup setup) {
  std::unique_ptr<Core> core(new Core(loop, std::move(setup)));
  REEVE_TRY(core->Wire(clock));
  return core;
}

// The policy's words for sinks. The journal takes syslog's format as well; without a socket to either, standard error is
// where the service manager reads along.
std::vector<AuditSink*> Core::MakeSinks() {
  const std::vector<std::string>& wanted = setup_.config.policy.audit.sinks;
  if (Names(wanted, "file:") && setup_.log != nullptr) sinks_.push_back(std::make_unique<AuditFileSink>(*setup_.log));
  const bool wants_syslog = Names(wanted, "journal") || Names(wanted, "syslog");
  if (wants_syslog && setup_.syslog_fd >= 0) sinks_.push_back(std::make_unique<AuditSyslogSink>(setup_.syslog_fd));
  if (Names(wanted, "stderr") || (wants_syslog && setup_.syslog_fd < 0))
    sinks_.push_back(std::make_unique<AuditStderrSink>(STDERR_FILENO));
  std::vector<AuditSink*> sinks;
  for (const auto& sink : sinks_) sinks.push_back(sink.get());
  return sinks;
}

Status Core::Wire(Clock& clock) {
  const config::Config& config = setup_.config;
  decider_.emplace(REEVE_TRY(policy::Decider::Create(config.policy)));
  access_.emplace(table_, *decider_, freeze_);
  own_.emplace(config, table_, *access_);
  audit_.emplace(config.policy.audit.decisions, MakeSinks());
  warden_.emplace(loop_, std::move(setup_.warden), config.generation, *this);
  // In nanoseconds, so that no later core's numbers meet one of this.
  const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
  workers_.emplace(loop_, *warden_, freeze_, config,
                   static_cast<uint64_t>(std::chrono::nanoseconds(since_boot).count()));
  dispatcher_.emplace(Dispatcher::Parts{config, table_, *decider_, *access_, *own_, *workers_, *audit_, clock});
  control_.emplace([this] { return Report(); });
  channels_.emplace(loop_, *dispatcher_, *control_, config, setup_.limits,
                    [this](uint32_t channel) { warden_->OpenDevice(channel); });
  freeze_.OnChange([this] { OnFreezeChange(); });
  for (auto& [channel, listener] : setup_.listeners) channels_->AddListener(channel, std::move(listener));
  setup_.listeners.clear();
  return {};
}

Status Core::Start() {
  return warden_->Start();
}

void Core::OnServe() {
  for (const std::string& warning : setup_.config.warnings) LogWarning(warning);
  workers_->OnServe();
  channels_->Start();
}

void Core::OnWorkerStarted(const wire::WorkerStarted& started, std::vector<UniqueFd> fds) {
  workers_->OnWorkerStarted(started, std::move(fds));
}
void Core::OnWorkerEnded(const wire::WorkerEnded& ended, std::string_view why) {
  workers_->OnWorkerEnded(ended, why);
}
void Core::OnDeviceOpened(uint32_t channel, UniqueFd device) {
  channels_->OnDeviceOpened(channel, std::move(device));
}
void Core::OnDeviceFailed(uint32_t channel, std::string_view why) {
  channels_->OnDeviceFailed(channel, why);
}
void Core::OnStatusFacts(wire::StatusFacts facts) {
  facts_ = std::move(facts);
  channels_->AllowControl(facts_.warden_uid);
}

std::string Core::Report() const {
  StatusSources sources{.config = setup_.config,
                        .facts = facts_,
                        .frozen_for = std::nullopt,
                        .thaws_in = std::nullopt,
                        .last_freeze = std::nullopt,
                        .channels = channels_->Statuses(),
                        .workers = workers_->Status()};
  const RunningTime now = loop_.Now();
  if (freeze_.is_frozen()) sources.frozen_for = Seconds(now - freeze_.frozen_since());
  if (const auto at = freeze_.thaws_at()) sources.thaws_in = std::max(Seconds(*at - now), std::chrono::seconds(0));
  if (const auto& end = freeze_.last_end())
    sources.last_freeze = {.why = end->why, .lasted = Seconds(end->lasted), .ago = Seconds(now - end->at)};
  return StatusReport(sources);
}

void Core::OnStillFrozen(uint64_t held) {
  const auto freezer = freeze_.freezer();
  if (!freezer) return;
  freeze_.NoteHeld(*freezer, held, loop_.Now());
  if (held == 0) return;
  LogWarning("the core before this ended while file systems were frozen: what it held of log and audit is lost");
  audit_->RecordLostOfLastCore();
}

void Core::OnStandingRun(const wire::StandingRun& run, std::string_view words) {
  if (run.plugin >= setup_.config.plugins.size()) return;
  const std::string& plugin = setup_.config.plugins[run.plugin].name;
  const policy::PluginRules* const rules = decider_->RulesOf(plugin);
  const bool has_rule = rules != nullptr && run.rule < rules->programs.size();
  audit_->RecordRun({.plugin = plugin,
                     .rule = has_rule ? &rules->programs[run.rule] : nullptr,
                     .words = words,
                     .number = run.program,
                     .kind = static_cast<wire::RunKind>(run.kind),
                     .value = run.value});
}

// What is written while file systems are frozen may have to wait for the thaw, and this process with it.
void Core::OnFreezeChange() {
  const bool is_told = freeze_changes_.Admit(loop_.Now());
  const uint64_t untold = is_told ? freeze_changes_.TakeDropped() : 0;
  if (freeze_.is_frozen()) {
    audit_->RecordLost(untold);
    if (is_told) LogInfo("file systems are being frozen: log and audit are held until they are thawed");
    if (is_told) audit_->RecordFreeze({}, {});
    audit_->Hold();
    return HoldLog(true);
  }
  HoldLog(false);
  audit_->LetGo();
  audit_->RecordLost(untold);
  if (!is_told) return;
  const FreezeState::End& end = *freeze_.last_end();
  LogWarning("file systems are thawed after " + std::to_string(Seconds(end.lasted).count()) + " s: " + end.why);
  audit_->RecordFreeze(end.why, end.lasted);
}

void Core::OnRoom() {
  workers_->OnRoom();
}

void Core::OnStopping() {
  channels_->StopInput();
  stop_at_ = loop_.Now() + kStopGrace;
  StopWhenIdle();
}

void Core::StopWhenIdle() {
  const bool is_done = workers_->is_idle() && channels_->is_idle() && !freeze_.is_frozen();
  if (is_done || loop_.Now() >= stop_at_) return loop_.Stop();
  stop_timer_ = loop_.After(kStopLook, [this] { StopWhenIdle(); });
}

void Core::OnLost(std::string_view why) {
  LogError("the warden is gone: " + std::string(why));
  was_lost_ = true;
  loop_.Stop();
}

}  // namespace reeve::core
