#include "agent/warden/warden.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "agent/warden/confined_process.h"
#include "agent/wire/ring.h"
#include "base/log.h"
#include "base/service_manager.h"
#include "base/sys.h"

namespace reeve::warden {
namespace {

// A child for each plugin that starts, the core and the log, with room for some that are stuck.
constexpr size_t kMaxPreparers = 64;
constexpr size_t kMaxDeviceOpeners = 32;
// A killed worker that does not end (it sleeps in the kernel) is told to the core as ended after this.
constexpr std::chrono::milliseconds kKillPatience{500};
// How often a stopping warden looks whether everything has ended.
constexpr std::chrono::milliseconds kEndLook{10};
// A core or log process whose files cannot be had is tried again after this.
constexpr std::chrono::seconds kRetryDelay{1};

static_assert(wire::kFirstListenerFd == sandbox::kFirstExtraFd, "one number, said in two rooms");

// The core says why itself, where that is worth a line.
constexpr char kStoppedByCore[] = "the core stopped it";

std::string Named(const char* what, const std::string& why) {
  return std::string(what) + ": " + why;
}

}  // namespace

Result<std::unique_ptr<Warden>> Warden::Create(EventLoop& loop, WardenSetup setup) {
  std::unique_ptr<Warden> warden(new Warden(loop, std::move(setup)));
  policy::Decider decider = REEVE_TRY(policy::Decider::Create(warden->setup_.config.policy));
  warden->decider_ = std::make_unique<const policy::Decider>(std::move(decider));
  warden->asks_.emplace(warden->setup_.config, *warden->decider_, loop, warden->reaper_,
                        std::move(warden->setup_.surroundings),
                        [lent = warden.get()](const wire::StandingRun& run, std::string_view words) {
                          if (lent->core_.peer) lent->core_.peer->Send(wire::Type::kStandingRun, run, words);
                        });
  return warden;
}

Warden::Warden(EventLoop& loop, WardenSetup setup)
    : loop_(loop),
      setup_(std::move(setup)),
      reaper_(loop),
      preparers_(loop, reaper_, kMaxPreparers),
      device_openers_(loop, reaper_, kMaxDeviceOpeners),
      devices_(loop, device_openers_,
               [this](uint32_t channel, Result<UniqueFd> device) { DeviceOpened(channel, std::move(device)); }),
      log_(
          {loop, reaper_, preparers_, setup_.config, setup_.blob, setup_.binary_directory}, [this] { OnLogChanged(); },
          [this](const Error& why) { DoesNotStart("reeve-log", why, [this] { log_.Prepare(); }); }) {
  freezer_.emplace(loop, reaper_, setup_.config, workers_, std::move(setup_.thaw_for_stuck_worker));
}

Status Warden::Start() {
  if (!log_.IsWanted()) {
    PrepareCore();
    return {};
  }
  REEVE_TRY(log_.Open());
  log_.Prepare();
  return {};
}

// The core.

void Warden::PrepareCore() {
  if (is_stopping_) return;
  is_core_begun_ = true;
  WantedFiles wanted;
  wanted.binary = setup_.binary_directory + "/reeve-core";
  PrepareFiles(preparers_, wanted, [this](Result<PreparedFiles> files) {
    const Status started = files ? StartCore(std::move(*files)) : Status(Fail(files.error()));
    if (!started) DoesNotStart("reeve-core", started.error(), [this] { PrepareCore(); });
  });
}

void Warden::DoesNotStart(const char* name, const Error& why, std::function<void()> retry) {
  if (is_stopping_) return;
  LogError(std::string(name) + " does not start: " + why.message());
  if (has_served_) {
    loop_.After(kRetryDelay, std::move(retry));
    return;
  }
  exit_code_ = 1;
  BeginStop();
}

Status Warden::StartCore(PreparedFiles files) {
  if (is_stopping_) return {};
  sys::TwoFds control = REEVE_TRY(sys::SocketPair(SOCK_SEQPACKET));
  ConfinedSetup setup{.profile = &setup_.config.core,
                      .argv = {"reeve-core"},
                      .files = std::move(files),
                      .fds = {},
                      .run_directory = setup_.config.run_directory,
                      .plugin_path = {}};
  setup.Place(REEVE_TRY(sys::Duplicate(STDERR_FILENO)), STDERR_FILENO);
  setup.Place(std::move(control.second), sandbox::kControlFd);
  setup.Place(REEVE_TRY(sys::Duplicate(setup_.blob.get())), sandbox::kPolicyFd);
  if (log_.writing_end()) setup.Place(REEVE_TRY(sys::Duplicate(log_.writing_end().get())), wire::kCoreLogFd);
  int number = wire::kFirstListenerFd;
  for (const UniqueFd& listener : setup_.listeners) setup.Place(REEVE_TRY(sys::Duplicate(listener.get())), number++);
  core_.fds = PlannedFds(setup);
  Child child = REEVE_TRY(StartConfined(loop_, setup));
  core_.pid = child.pid;
  core_.started_at = loop_.Now();
  core_.peer = std::make_unique<CorePeer>(loop_, std::move(control.first), setup_.config.generation, *this);
  REEVE_TRY(reaper_.Watch(std::move(child), [this](int wait_status) { CoreEnded(wait_status); }));
  return core_.peer->Start();
}

Status Warden::CheckCore() {
  const auto expected = REEVE_TRY(sandbox::Expect(setup_.config.core, sandbox::Stage::kRun, core_.fds));
  return sandbox::CheckProcess(core_.pid, expected);
}

void Warden::TellFacts() {
  if (!core_.peer) return;
  setup_.facts.core_pid = static_cast<uint32_t>(core_.pid);
  setup_.facts.log_pid = log_.pid() < 0 ? 0 : static_cast<uint32_t>(log_.pid());
  const auto [head, texts] = wire::Encode(setup_.facts);
  core_.peer->Send(wire::Type::kStatusFacts, head, texts);
}

void Warden::OnCoreChecked() {
  if (freezer_->is_frozen()) core_.peer->Send(wire::Type::kStillFrozen, wire::Hold{freezer_->held()});
  Worker* const keeper = freezer_->Keeper();
  if (keeper == nullptr) return;
  const Status given = GiveToNewCore(*keeper);
  if (!given) FailWorker(keeper->id, "it could not be given to the next core: " + given.error().message());
}

void Warden::OnCoreServing() {
  ++setup_.facts.core_start_count;
  TellFacts();
  if (std::exchange(has_served_, true)) return;
  LogInfo("the core serves");
  NotifyServiceManager(setup_.notify_socket, "READY=1");
}

void Warden::OnOtherBuild() {
  if (std::exchange(is_outdated_, true)) return;
  LogError("the package was changed: the service ends, to be started anew, when no program runs and nothing is frozen");
  EndWhenIdle();
}

void Warden::EndWhenIdle() {
  if (!has_served_) exit_code_ = 1;
  // Without a core that can serve nobody but the end of this service thaws before its time.
  const bool is_frozen = freezer_->is_frozen() && core_.peer && core_.peer->is_serving();
  // Nor is there a worker that could thaw when it has ended: the next one would be of the other build too.
  const bool is_frozen_for_good = is_frozen && freezer_->Keeper() == nullptr;
  if (is_frozen_for_good || (asks_->programs().running() == 0 && !is_frozen)) return BeginStop();
  loop_.After(kRetryDelay, [this] { EndWhenIdle(); });
}

void Warden::OnCoreLost(const std::string& why) {
  // Its own end is told by the reaper.
  if (reaper_.IsRunning(core_.pid) && !is_stopping_) LogError(Named("the core is ended", why));
  reaper_.Signal(core_.pid, SIGKILL);
}

void Warden::CoreEnded(int wait_status) {
  if (!is_stopping_) LogError(Named("the core has ended", EndInWords(wait_status)));
  setup_.facts.last_core_end = EndInWords(wait_status);
  if (core_.peer) core_.peer->Close();
  DestroyLater(std::move(core_.peer));
  core_.pid = -1;
  devices_.ForgetAll();
  if (const Worker* keeper = freezer_->Keeper()) asks_->ForgetWorker(keeper->id);
  // What it held is lost; the host sees its channel close, or no answer, never two. Programs go on.
  std::vector<uint32_t> ids;
  for (auto& [id, worker] : workers_) {
    if (freezer_->IsOne(*worker) && worker->is_ready) continue;
    worker->is_end_told = true;
    ids.push_back(id);
  }
  if (is_stopping_) return StopIfAllEnded();
  for (const uint32_t id : ids) FailWorker(id, "its core has ended");
  if (!has_served_) {
    exit_code_ = 1;
    return BeginStop();
  }
  loop_.After(restart_rule_.NextDelay(loop_.Now() - core_.started_at), [this] { PrepareCore(); });
}

void Warden::OnLogChanged() {
  TellFacts();
  if (log_.pid() >= 0 && !is_core_begun_) PrepareCore();
}

// What the core asks.

Status Warden::StartWorker(uint32_t plugin) {
  if (plugin >= setup_.config.plugins.size()) return Fail(Code::kBadMessage, "an unknown plugin");
  const config::Plugin& wanted = setup_.config.plugins[plugin];
  if (!wanted.is_enabled || wanted.library_path.empty())
    return Fail(Code::kBadMessage, "plugin " + wanted.name + " has no worker");
  auto worker = std::make_unique<Worker>();
  worker->plugin = plugin;
  worker->name = "worker " + wanted.name;
  if (is_stopping_) {
    TellEnd(*worker, wire::kNotTried, "the service stops");
    return {};
  }
  for (const auto& [id, other] : workers_) {
    if (other->plugin != plugin) continue;
    if (!other->is_end_told) return Fail(Code::kBadMessage, worker->name + " runs already");
    // Its uid is not used twice at one time.
    TellEnd(*worker, wire::kNotTried, "an earlier process of it cannot be ended");
    return {};
  }
  const uint32_t id = worker->id = ++last_worker_;
  worker->timer = loop_.After(kWorkerStartTimeout, [this, id] { FailWorker(id, "it did not start in time"); });
  workers_.emplace(id, std::move(worker));
  WantedFiles files;
  files.binary = setup_.binary_directory + "/reeve-worker";
  files.plugin = wanted.library_path;
  if (wanted.needs_handle_block) files.handle_file = setup_.config.run_directory + "/qga.state";
  PrepareFiles(preparers_, files,
               [this, id](Result<PreparedFiles> prepared) { WorkerPrepared(id, std::move(prepared)); });
  return {};
}

Status Warden::StopWorker(uint32_t worker) {
  if (worker == 0 || worker > last_worker_) return Fail(Code::kBadMessage, "an unknown worker");
  // It may have ended meanwhile, which the core has not read yet.
  if (workers_.contains(worker)) FailWorker(worker, kStoppedByCore);
  return {};
}

Status Warden::Announce(uint64_t request_id, uint32_t deadline_ms, const wire::Announce& what) {
  if (what.worker == 0 || what.worker > last_worker_) return Fail(Code::kBadMessage, "an unknown worker");
  const auto worker = workers_.find(what.worker);
  if (worker == workers_.end()) return {};  // it has ended meanwhile
  return asks_->Announce(worker->second->plugin, request_id, deadline_ms, what);
}

Status Warden::Retract(uint64_t request_id, uint32_t worker) {
  asks_->Retract(worker, request_id);
  return {};
}

Status Warden::OpenDevice(uint32_t channel) {
  const std::vector<config::Channel>& channels = setup_.config.channels;
  if (channel >= channels.size() || config::Listens(channels[channel].transport))
    return Fail(Code::kBadMessage, "a channel without a device");
  if (devices_.IsWaiting(channel)) return Fail(Code::kBadMessage, "a channel whose device is being waited for");
  devices_.Open(channel, channels[channel]);
  return {};
}

void Warden::DeviceOpened(uint32_t channel, Result<UniqueFd> device) {
  if (!core_.peer) return;
  if (!device) {
    const std::string why = device.error().message().substr(0, wire::kMaxTextBytes);
    return core_.peer->Send(wire::Type::kDeviceFailed, wire::ChannelNumber{channel, 0}, why);
  }
  const int fd = device->get();
  core_.peer->Send(wire::Type::kDeviceOpened, wire::ChannelNumber{channel, 0}, {}, std::span(&fd, 1));
}

// Workers.

void Warden::WorkerPrepared(uint32_t id, Result<PreparedFiles> files) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  Worker& worker = *found->second;
  const Status forked = files ? ForkWorker(worker, std::move(*files)) : Status(Fail(files.error()));
  if (!forked) FailWorker(id, forked.error().message());
}

Status Warden::ForkWorker(Worker& worker, PreparedFiles files) {
  ConfinedSetup setup;
  UniqueFd log_pipe;
  UniqueFd control = REEVE_TRY(SetUpWorker(setup_.config, worker, std::move(files), setup, log_pipe));
  worker.fds = PlannedFds(setup);
  std::erase(worker.fds, sandbox::kPolicyFd);  // read and closed before it says that it is confined
  Child child = REEVE_TRY(StartConfined(loop_, setup));
  worker.pid = child.pid;
  REEVE_TRY(reaper_.Watch(std::move(child), [this, id = worker.id](int wait_status) { WorkerEnded(id, wait_status); }));
  worker.log = std::make_unique<WorkerLog>(loop_, std::move(log_pipe), worker.name);
  REEVE_TRY(worker.log->Start());
  std::vector<std::string> commands;
  for (const config::CommandSpec& command : setup_.config.plugins[worker.plugin].commands)
    commands.push_back(command.name);
  worker.peer = std::make_unique<WorkerPeer>(loop_, std::move(control), setup_.config.generation, worker.id,
                                             std::move(commands), *this);
  return worker.peer->Start([this] {
    // What the core has said before the worker asked is known before the ask is looked at.
    if (core_.peer) core_.peer->Drain();
  });
}

Status Warden::CheckWorker(uint32_t id, sandbox::Stage stage) {
  const Worker& worker = *workers_.at(id);
  const policy::SandboxProfile& profile = setup_.config.plugins[worker.plugin].sandbox;
  const auto expected = REEVE_TRY(sandbox::Expect(profile, stage, worker.fds));
  return sandbox::CheckProcess(worker.pid, expected);
}

void Warden::OnWorkerReady(uint32_t id) {
  Worker& worker = *workers_.at(id);
  worker.is_ready = true;
  loop_.Cancel(worker.timer);
  LogInfo(worker.name + " serves, process " + std::to_string(worker.pid));
  const UniqueFd socket = std::move(worker.core_socket);
  TellStarted(worker, socket);
  if (freezer_->IsOne(worker)) return;  // the next core needs them too
  worker.ring_to.Reset();
  worker.ring_from.Reset();
}

void Warden::TellStarted(const Worker& worker, const UniqueFd& socket) {
  const int fds[] = {socket.get(), worker.ring_to.get(), worker.ring_from.get()};
  if (!core_.peer) return;
  core_.peer->Send(wire::Type::kWorkerStarted,
                   wire::WorkerStarted{worker.id, worker.plugin, static_cast<uint32_t>(worker.pid), wire::kRingBytes},
                   {}, fds);
}

Status Warden::OnWorkerHolds(uint32_t id, uint64_t held) {
  return freezer_->NoteHeld(*workers_.at(id), held);
}

Status Warden::OnWorkerQuiesces(uint32_t id) {
  return freezer_->CheckMayQuiesce(*workers_.at(id));
}

Status Warden::GiveToNewCore(Worker& worker) {
  const sys::TwoFds sockets = REEVE_TRY(sys::SocketPair(SOCK_SEQPACKET));
  worker.peer->SendNewCore(sockets.second);
  TellStarted(worker, sockets.first);
  return {};
}

void Warden::FailWorker(uint32_t id, const std::string& why) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  Worker& worker = *found->second;
  if (worker.why_ended.empty()) worker.why_ended = why;
  // A child that was never forked, or has been reaped, ends here; another at its reaping.
  if (worker.pid < 0) return WorkerEnded(id, 0);
  reaper_.Signal(worker.pid, SIGKILL);
  loop_.Cancel(worker.timer);
  worker.timer = loop_.After(kKillPatience, [this, id] {
    const auto left = workers_.find(id);
    if (left == workers_.end()) return;
    const std::string& known = left->second->why_ended;
    TellEnd(*left->second, 0, known.empty() ? "it closed its socket" : known);
  });
}

void Warden::TellEnd(Worker& worker, int wait_status, const std::string& why) {
  if (std::exchange(worker.is_end_told, true)) return;
  const bool is_expected = is_stopping_ || worker.why_ended == kStoppedByCore;
  Log(is_expected ? Severity::kInfo : Severity::kWarning, Named((worker.name + " has ended").c_str(), why));
  if (!core_.peer) return;
  const std::string text = why.substr(0, wire::kMaxTextBytes);
  const uint32_t id = worker.is_ready ? worker.id : 0;
  core_.peer->Send(wire::Type::kWorkerEnded,
                   wire::WorkerEnded{id, worker.plugin, wait_status, static_cast<uint32_t>(text.size())}, text);
}

void Warden::WorkerEnded(uint32_t id, int wait_status) {
  // Its last word may be that it has thawed.
  const auto found = workers_.find(id);
  if (found != workers_.end() && freezer_->IsOne(*found->second) && found->second->peer) found->second->peer->Drain();
  auto ended = workers_.extract(id);
  if (ended.empty()) return;
  Worker& worker = *ended.mapped();
  if (worker.peer) worker.peer->Close();  // another process may hold its end of the socket
  loop_.Cancel(worker.timer);
  asks_->ForgetWorker(id);
  const bool is_by_itself = worker.why_ended.empty() || !WIFSIGNALED(wait_status) || WTERMSIG(wait_status) != SIGKILL;
  const std::string how = worker.pid < 0 ? worker.why_ended : EndInWords(wait_status);
  TellEnd(worker, wait_status, is_by_itself ? how : worker.why_ended);
  DestroyLater(std::move(ended.mapped()));
  if (is_stopping_) StopIfAllEnded();
}

// What workers ask.

void Warden::OpenPath(uint32_t worker, uint64_t request_id, OpenAsk ask, OnOpened on_opened) {
  asks_->OpenPath(workers_.at(worker)->plugin, worker, request_id, std::move(ask), on_opened);
}

void Warden::RunProgram(uint32_t worker, uint64_t request_id, ProgramAsk ask, OnStarted on_started) {
  asks_->RunProgram(workers_.at(worker)->plugin, worker, request_id, std::move(ask), on_started);
}

Granted<void> Warden::SignalProgram(uint32_t worker, uint64_t program, int signal) {
  return asks_->programs().Signal(worker, program, signal);
}

// The end.

void Warden::BeginStop() {
  if (std::exchange(is_stopping_, true)) return;
  log_.Stop();
  NotifyServiceManager(setup_.notify_socket, "STOPPING=1");
  if (core_.peer) core_.peer->SendStopping();
  for (auto& [id, worker] : workers_)
    if (worker->peer) worker->peer->SendStopping();
  KillAll(SIGTERM);
  loop_.After(kStopGrace, [this] { KillAll(SIGKILL); });
  StopAfter(kStopTimeout);
  AwaitEnds();
}

void Warden::StopAfter(std::chrono::seconds timeout) {
  loop_.After(timeout, [this, timeout] {
    if (!freezer_->is_frozen() || timeout >= kThawTimeout) return GiveUp();
    StopAfter(kThawTimeout);
  });
}

// A worker that did not thaw in its time does not outlive the service.
void Warden::GiveUp() {
  for (const auto& [id, worker] : workers_) reaper_.Signal(worker->pid, SIGKILL);
  if (!freezer_->is_frozen()) return loop_.Stop();
  freezer_->ThawForKeeper("did not thaw when the service stopped");
  loop_.After(kLastThawTimeout, [this] { loop_.Stop(); });
}

void Warden::KillAll(int signal) {
  asks_->programs().SignalAll(signal);
  // A core that serves was asked to stop, and ends when it has heard the last word of its workers.
  const bool was_asked = core_.peer && core_.peer->is_serving();
  if (signal == SIGKILL || !was_asked) reaper_.Signal(core_.pid, signal);
  for (const auto& [id, worker] : workers_) {
    const bool is_thawing = freezer_->IsOne(*worker) && freezer_->is_frozen();
    if (signal != SIGKILL || !is_thawing) reaper_.Signal(worker->pid, signal);
  }
}

bool Warden::HaveAllEnded() const {
  return core_.pid < 0 && workers_.empty() && asks_->programs().running() == 0 && !freezer_->is_thawing();
}

// The log has no writer any more and ends by itself.
void Warden::StopIfAllEnded() {
  if (HaveAllEnded() && !asks_->programs().KillLeftovers()) loop_.Stop();
}

// Programs and what they left behind end without a word to this class.
void Warden::AwaitEnds() {
  StopIfAllEnded();
  loop_.After(kEndLook, [this] { AwaitEnds(); });
}

}  // namespace reeve::warden
