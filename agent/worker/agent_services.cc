#include "agent/worker/agent_services.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <csignal>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/sys.h"

namespace reeve::worker {
namespace {

constexpr std::string_view kVersion = REEVE_VERSION;
// The kernel's PATH_MAX without its NUL.
constexpr uint64_t kMaxPathBytes = 4095;
// As the warden has it: no real-time signals.
constexpr int32_t kLastSignal = SIGSYS;
// A year: longer is never meant, and nothing overflows.
constexpr uint64_t kLongestDelayMs = 366ull * 24 * 3600 * 1000;

static_assert(REEVE_ACCESS_READ == 1 && REEVE_ACCESS_WRITE == 2 && REEVE_ACCESS_CREATE == 4);  // policy::FileAccess
static_assert(REEVE_OPEN_TRUNCATE == wire::kOpenTruncate && REEVE_OPEN_APPEND == wire::kOpenAppend);
static_assert(REEVE_STREAM_STDIN == wire::kStreamStdin && REEVE_STREAM_STDOUT == wire::kStreamStdout &&
              REEVE_STREAM_STDERR == wire::kStreamStderr && REEVE_STREAM_MERGED == wire::kStreamMerged);
static_assert(sizeof(reeve_program_status) == sizeof(wire::ProgramStatus));

std::string_view ViewOf(reeve_str text) {
  return text.p == nullptr ? std::string_view() : std::string_view(text.p, text.n);
}
reeve_str StrOf(std::string_view text) {
  return {text.data(), text.size()};
}

int32_t StatusOf(const Status& status) {
  if (status) return REEVE_OK;
  switch (status.error().code()) {
    case Code::kInvalidArgument:
      return REEVE_ERROR_ARGUMENT;
    case Code::kTooLarge:
      return REEVE_ERROR_LIMIT;
    case Code::kUnavailable:
      return REEVE_ERROR_BUSY;
    case Code::kNotFound:
      return REEVE_ERROR_NOT_FOUND;
    case Code::kClosed:
      return REEVE_ERROR_CLOSED;
    default:
      return REEVE_ERROR_FAILED;
  }
}

// What the warden would end this process for is the plugin's mistake, and told as such.
bool IsOpenSensible(uint32_t access, uint32_t flags) {
  constexpr uint32_t kAllAccess = REEVE_ACCESS_READ | REEVE_ACCESS_WRITE | REEVE_ACCESS_CREATE;
  constexpr uint32_t kAllFlags = REEVE_OPEN_TRUNCATE | REEVE_OPEN_APPEND;
  const bool changes = flags != 0 || (access & REEVE_ACCESS_CREATE) != 0;
  return access != 0 && (access & ~kAllAccess) == 0 && (flags & ~kAllFlags) == 0 &&
         (!changes || (access & REEVE_ACCESS_WRITE) != 0);
}

bool AreStreamsSensible(uint32_t streams) {
  constexpr uint32_t kAll = REEVE_STREAM_STDIN | REEVE_STREAM_STDOUT | REEVE_STREAM_STDERR | REEVE_STREAM_MERGED;
  const bool is_merged = (streams & REEVE_STREAM_MERGED) != 0;
  return (streams & ~kAll) == 0 &&
         (!is_merged || ((streams & REEVE_STREAM_STDOUT) != 0 && (streams & REEVE_STREAM_STDERR) == 0));
}

std::vector<std::string_view> ViewsOf(const reeve_str* words, uint64_t count) {
  std::vector<std::string_view> views;
  views.reserve(count);
  for (uint64_t i = 0; i < count; ++i) views.push_back(ViewOf(words[i]));
  return views;
}

}  // namespace

const reeve_agent_files AgentServices::kFiles = {sizeof kFiles, 0, &AgentServices::Open};
const reeve_agent_run AgentServices::kRun = {sizeof kRun, 0, &AgentServices::Run, &AgentServices::Signal};
const reeve_agent_loop AgentServices::kLoop = {sizeof kLoop,           0,
                                               &AgentServices::Watch,  &AgentServices::Change,
                                               &AgentServices::Forget, &AgentServices::After,
                                               &AgentServices::Cancel, &AgentServices::NowMs,
                                               &AgentServices::Post};
const reeve_agent_state AgentServices::kState = {sizeof kState, 0, &AgentServices::SetHeld,
                                                 &AgentServices::HandleBlock};
const reeve_agent_freeze AgentServices::kFreeze = {sizeof kFreeze, 0, &AgentServices::SetTimeLeft,
                                                   &AgentServices::SetEnd, &AgentServices::Quiesce};
const reeve_agent_renew AgentServices::kRenew = {sizeof kRenew, 0, &AgentServices::Renew};
const reeve_agent_fds AgentServices::kFds = {sizeof kFds, 0, &AgentServices::Find};

Result<std::unique_ptr<AgentServices>> AgentServices::Create(EventLoop& loop, WardenClient& warden,
                                                             ServicesSetup setup) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return FailErrno("eventfd");
  std::unique_ptr<AgentServices> services(new AgentServices(loop, warden, std::move(setup), std::move(wake)));
  AgentServices* const raw = services.get();
  REEVE_TRY(loop.Watch(raw->wake_.get(), EPOLLIN, [raw](uint32_t) { raw->RunPosted(); }));
  return services;
}

AgentServices::AgentServices(EventLoop& loop, WardenClient& warden, ServicesSetup setup, UniqueFd wake)
    : loop_(loop), warden_(warden), setup_(std::move(setup)), handle_{}, wake_(std::move(wake)) {
  handle_.services = this;
  handle_.abi = {sizeof(reeve_agent), REEVE_ABI_MAJOR, REEVE_ABI_MINOR, REEVE_ABI_DRAFT,
                 StrOf("reeve"),      StrOf(kVersion), &GetInterface,   &WriteLog};
}

void AgentServices::OnHold(std::function<void(uint64_t)> on_hold) {
  on_hold_ = std::move(on_hold);
  on_hold_(held_);
}

void AgentServices::OnFreezeNote(std::function<void(const FreezeNote&)> on_note) {
  on_freeze_note_ = std::move(on_note);
  NoteFreeze("");
}

const void* AgentServices::Interface(std::string_view id) const {
  if (!has_interfaces_) return nullptr;
  if (id == REEVE_AGENT_FILES) return &kFiles;
  if (id == REEVE_AGENT_RUN) return &kRun;
  if (id == REEVE_AGENT_LOOP) return &kLoop;
  if (id == REEVE_AGENT_STATE) return &kState;
  if (id == REEVE_AGENT_FDS) return &kFds;
  if (id == REEVE_AGENT_RENEW) return &kRenew;
  if (id == REEVE_AGENT_FREEZE && setup_.freezes) return &kFreeze;
  return nullptr;
}

const void* AgentServices::GetInterface(const reeve_agent* agent, reeve_str id) {
  return Of(agent).Interface(ViewOf(id));
}

void AgentServices::WriteLog(const reeve_agent*, uint32_t severity, reeve_str text) {
  Log(static_cast<Severity>(std::min(severity, REEVE_LOG_DEBUG)), ViewOf(text));
}

// ---- reeve.agent.files/1

int32_t AgentServices::Open(const reeve_agent* agent, uint64_t request_id, reeve_str path, uint32_t access,
                            uint32_t flags, reeve_on_opened on_opened, void* context) {
  if (request_id == 0 || on_opened == nullptr || !IsOpenSensible(access, flags)) return REEVE_ERROR_ARGUMENT;
  if (path.n > kMaxPathBytes) return REEVE_ERROR_LIMIT;
  const auto answer = [on_opened, context](Answer<OpenedPath> opened) {
    if (const auto* refused = std::get_if<Refused>(&opened))
      return on_opened(context, nullptr, refused->error_number, StrOf(refused->text));
    auto& path_opened = std::get<OpenedPath>(opened);
    const reeve_opened result = {sizeof result, path_opened.fd.Release(), path_opened.max_file_bytes};
    on_opened(context, &result, 0, {});
  };
  return StatusOf(Of(agent).warden_.OpenPath(request_id, access, flags, ViewOf(path), answer));
}

// ---- reeve.agent.run/1

int32_t AgentServices::Run(const reeve_agent* agent, uint64_t request_id, const reeve_program* program,
                           reeve_on_started on_started, void* context) {
  if (program == nullptr || on_started == nullptr || program->struct_size < REEVE_LEAST_PROGRAM_SIZE ||
      program->argument_count == 0 || program->has_environment > 1 || !AreStreamsSensible(program->streams))
    return REEVE_ERROR_ARGUMENT;
  if (program->argument_count > wire::kMaxWords || program->environment_count > wire::kMaxWords)
    return REEVE_ERROR_LIMIT;
  const ProgramWanted wanted{.arguments = ViewsOf(program->arguments, program->argument_count),
                             .environment = ViewsOf(program->environment, program->environment_count),
                             .has_environment = program->has_environment == 1,
                             .streams = program->streams,
                             .stdin_bytes = program->stdin_bytes};
  const auto answer = [on_started, context](Answer<StartedProgram> started) {
    if (const auto* refused = std::get_if<Refused>(&started))
      return on_started(context, nullptr, refused->error_number, StrOf(refused->text));
    auto& runs = std::get<StartedProgram>(started);
    const reeve_started result = {sizeof result,
                                  runs.pid,
                                  runs.program,
                                  runs.status_fd.Release(),
                                  runs.stdin_fd.Release(),
                                  runs.stdout_fd.Release(),
                                  runs.stderr_fd.Release(),
                                  runs.max_output_bytes};
    on_started(context, &result, 0, {});
  };
  return StatusOf(Of(agent).warden_.RunProgram(request_id, wanted, answer));
}

int32_t AgentServices::Signal(const reeve_agent* agent, uint64_t request_id, uint64_t program, int32_t signal_number,
                              reeve_on_signalled on_signalled, void* context) {
  if (signal_number < 1 || signal_number > kLastSignal) return REEVE_ERROR_ARGUMENT;
  const auto answer = [on_signalled, context](const Refused* refused) {
    if (on_signalled == nullptr) return;
    if (refused == nullptr) return on_signalled(context, 0, {});
    on_signalled(context, refused->error_number, StrOf(refused->text));
  };
  return StatusOf(Of(agent).warden_.SignalProgram(request_id, program, signal_number, answer));
}

// ---- reeve.agent.loop/1

int32_t AgentServices::Watch(const reeve_agent* agent, int32_t fd, uint32_t events, reeve_on_ready on_ready,
                             void* context) {
  if (on_ready == nullptr) return REEVE_ERROR_ARGUMENT;
  return StatusOf(Of(agent).loop_.Watch(fd, events, [on_ready, context](uint32_t ready) { on_ready(context, ready); }));
}

int32_t AgentServices::Change(const reeve_agent* agent, int32_t fd, uint32_t events) {
  return StatusOf(Of(agent).loop_.Change(fd, events));
}

void AgentServices::Forget(const reeve_agent* agent, int32_t fd) {
  Of(agent).loop_.Forget(fd);
}

uint64_t AgentServices::After(const reeve_agent* agent, uint64_t delay_ms, reeve_on_time on_time, void* context) {
  const std::chrono::milliseconds delay(std::min(delay_ms, kLongestDelayMs));
  return Of(agent).loop_.After(delay, [on_time, context] { on_time(context); });
}

void AgentServices::Cancel(const reeve_agent* agent, uint64_t timer) {
  Of(agent).loop_.Cancel(timer);
}

uint64_t AgentServices::NowMs(const reeve_agent* agent) {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(Of(agent).loop_.Now());
  return static_cast<uint64_t>(now.count());
}

int32_t AgentServices::Post(const reeve_agent* agent, reeve_on_time call, void* context) {
  AgentServices& services = Of(agent);
  if (call == nullptr) return REEVE_ERROR_ARGUMENT;
  {
    const std::lock_guard lock(services.posted_mutex_);
    services.posted_.push_back({call, context});
  }
  // A full counter (EAGAIN) wakes the loop all the same.
  const uint64_t one = 1;
  static_cast<void>(sys::Write(services.wake_.get(), BytesOf(one)));
  return REEVE_OK;
}

void AgentServices::RunPosted() {
  uint8_t count[8];
  static_cast<void>(sys::Read(wake_.get(), count));
  std::vector<Posted> posted;
  {
    const std::lock_guard lock(posted_mutex_);
    posted.swap(posted_);
  }
  for (const Posted& each : posted) each.call(each.context);
}

// ---- reeve.agent.state/1

void AgentServices::SetHeld(const reeve_agent* agent, uint64_t count) {
  AgentServices& services = Of(agent);
  if (std::exchange(services.held_, count) == count) return;
  if (services.on_hold_) services.on_hold_(count);
}

int32_t AgentServices::HandleBlock(const reeve_agent* agent, uint64_t* first, uint64_t* count) {
  const ServicesSetup& setup = Of(agent).setup_;
  if (setup.handle_count == 0) return REEVE_ERROR_NOT_FOUND;
  *first = setup.handle_base;
  *count = setup.handle_count;
  return REEVE_OK;
}

// ---- reeve.agent.freeze/1

void AgentServices::NoteFreeze(std::string why) {
  if (!on_freeze_note_) return;
  uint64_t time_left_ms = 0;
  // 0 is "never", so what is over still has a millisecond.
  if (thaws_at_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*thaws_at_ - loop_.Now()).count();
    time_left_ms = static_cast<uint64_t>(std::max<int64_t>(1, left));
  }
  on_freeze_note_({time_left_ms, std::move(why)});
}

void AgentServices::SetTimeLeft(const reeve_agent* agent, uint64_t time_left_ms) {
  AgentServices& services = Of(agent);
  services.thaws_at_.reset();
  if (time_left_ms > 0)
    services.thaws_at_ = services.loop_.Now() + std::chrono::milliseconds(std::min(time_left_ms, kLongestDelayMs));
  services.NoteFreeze("");
}

void AgentServices::SetEnd(const reeve_agent* agent, reeve_str why) {
  AgentServices& services = Of(agent);
  services.thaws_at_.reset();
  services.NoteFreeze(std::string(ViewOf(why)));
}

int32_t AgentServices::Quiesce(const reeve_agent* agent, reeve_on_quiet on_quiet, void* context) {
  AgentServices& services = Of(agent);
  if (on_quiet == nullptr || services.held_ == 0) return REEVE_ERROR_ARGUMENT;
  if (services.quiet_wish_) return REEVE_ERROR_BUSY;
  services.quiet_wish_.emplace(QuietWish{on_quiet, context});
  services.quiet_wish_->timer =
      services.loop_.After(kQuietPatience, [&services] { services.EndQuietWish(REEVE_ERROR_BUSY); });
  if (services.on_quiesce_) services.on_quiesce_(++services.quiet_number_);
  return REEVE_OK;
}

void AgentServices::NoteQuiet(QuietPart part, uint64_t number) {
  constexpr auto kAll = static_cast<uint8_t>(QuietPart::kCore) | static_cast<uint8_t>(QuietPart::kWarden);
  if (!quiet_wish_ || number != quiet_number_) return;
  quiet_wish_->quiet_parts |= static_cast<uint8_t>(part);
  if (quiet_wish_->quiet_parts == kAll) EndQuietWish(REEVE_OK);
}

void AgentServices::EndQuietWish(int32_t status) {
  const QuietWish wish = *std::exchange(quiet_wish_, std::nullopt);
  loop_.Cancel(wish.timer);
  wish.on_quiet(wish.context, status);
}

// ---- reeve.agent.renew/1

void AgentServices::Renew(const reeve_agent* agent) {
  if (const auto& on_renew = Of(agent).on_renew_) on_renew();
}

// ---- reeve.agent.fds/1

int32_t AgentServices::Find(const reeve_agent* agent, reeve_str name) {
  const ServicesSetup& setup = Of(agent).setup_;
  for (size_t i = 0; i < setup.inherited_names.size(); ++i)
    if (setup.inherited_names[i] == ViewOf(name)) return setup.first_inherited_fd + static_cast<int32_t>(i);
  return REEVE_ERROR_NOT_FOUND;
}

}  // namespace reeve::worker
