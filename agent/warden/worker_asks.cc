#include "agent/warden/worker_asks.h"

#include <utility>

#include "agent/sandbox/capabilities.h"
#include "base/log.h"

namespace reeve::warden {
namespace {

std::unexpected<Error> Malformed(const std::string& what) {
  return Fail(Code::kBadMessage, what);
}

std::unexpected<Refusal> Refuse(std::string text) {
  return std::unexpected(Refusal{0, std::move(text)});
}

// In the child.
Result<ChildAnswer> OpenAsUser(const PermittedOpen& request) {
  const policy::RunAs& as = request.directory.as;
  REEVE_TRY(sandbox::BecomeUserForGood(as.uid, as.gid, as.groups));
  ChildAnswer answer;
  answer.fds.push_back(REEVE_TRY(OpenPermitted(request)));
  return answer;
}

Granted<OpenedPath> ToOpened(Result<ChildAnswer> answer, uint64_t max_file_bytes) {
  if (!answer) return std::unexpected(Refusal::Of(answer.error()));
  if (answer->is_error) return std::unexpected(Refusal{answer->error_number, answer->text});
  if (answer->fds.size() != 1) return Refuse("the child sent no descriptor");
  return OpenedPath{.fd = std::move(answer->fds.front()), .max_file_bytes = max_file_bytes};
}

}  // namespace

WorkerAsks::WorkerAsks(const config::Config& config, const policy::Decider& decider, EventLoop& loop, Reaper& reaper,
                       Surroundings surroundings)
    : config_(config),
      decider_(decider),
      loop_(loop),
      surroundings_(std::move(surroundings)),
      reaper_(reaper),
      programs_(loop, reaper, std::move(surroundings_.groups), surroundings_.group_prefix,
                ProgramUids(config.first_program_uid, config.program_uid_count)) {}

policy::Caller WorkerAsks::CallerOf(const wire::Announce& what) const {
  return {.channel = config_.channels[what.channel].name,
          .peer_kind = static_cast<policy::Caller::PeerKind>(what.peer_kind),
          .peer_number = what.peer_number};
}

Status WorkerAsks::Announce(uint32_t plugin, uint64_t request_id, uint32_t deadline_ms, const wire::Announce& what) {
  const std::vector<config::CommandSpec>& commands = config_.plugins[plugin].commands;
  if (what.channel >= config_.channels.size()) return Malformed("an unknown channel");
  if (what.peer_kind > static_cast<uint32_t>(policy::Caller::PeerKind::kVsock))
    return Malformed("an unknown kind of peer");
  if (what.command >= commands.size()) return Malformed("an unknown command");
  const config::CommandSpec& command = commands[what.command];
  if (!command.Has(config::kAsksWarden)) return Malformed(command.name + " does not ask the warden");

  const policy::Decision decision = decider_.Command(
      CallerOf(what), {.command = command.name, .is_never_deniable = command.Has(config::kNeverDeniable)});
  if (!decision.is_allowed()) {
    if (denied_announcements_.Admit(loop_.Now()))
      LogError("the core announced what policy denies: " + policy::CommandRefusal(command.name, decision));
    return {};
  }
  return announced_.Announce(request_id, what, deadline_ms, loop_.Now());
}

void WorkerAsks::Retract(uint32_t worker, uint64_t request_id) {
  announced_.Retract(worker, request_id);
  programs_.EndWithRequest(worker, request_id);
}

void WorkerAsks::ForgetWorker(uint32_t worker) {
  announced_.ForgetWorker(worker);
  programs_.EndWithWorker(worker);
}

Granted<WorkerAsks::Live> WorkerAsks::TakeLive(uint32_t plugin, uint32_t worker, uint64_t request_id,
                                               config::ArgumentCheck check) {
  Result<AnnouncedRequest> request = announced_.Take(worker, request_id, loop_.Now());
  if (!request) return Refuse(request.error().message());
  const config::CommandSpec& command = config_.plugins[plugin].commands[request->what.command];
  // A command whose arguments name a file may not run a program, nor the other way round.
  if (command.check != config::ArgumentCheck::kNone && command.check != check)
    return Refuse(command.name + " may not ask for this");
  return Live{.request = *request, .command = &command, .caller = CallerOf(request->what)};
}

Granted<uint32_t> WorkerAsks::RuleOf(const Live& live, const policy::Decision& decision, const std::string& what,
                                     size_t rule_count) const {
  if (!decision.is_allowed()) return Refuse(policy::ArgumentRefusal(live.command->name, what, decision));
  if (decision.index >= rule_count) return Refuse(what + " is allowed by no rule that says how");
  const uint32_t announced = live.request.what.rule;
  if (announced == policy::Decision::kNoIndex || announced == decision.index) return decision.index;
  // Two keys: what the core decided for the host, and what the worker asks in the host's name.
  LogError("a worker asks for another thing than the core allowed: " + what + " for " + live.command->name);
  return Refuse(what + " falls under policy rule '" + decision.rule + "', another than the request was allowed by");
}

Granted<PermittedOpen> WorkerAsks::DecideOpen(uint32_t plugin, uint32_t worker, uint64_t request_id, OpenAsk ask) {
  const Granted<Live> live = TakeLive(plugin, worker, request_id, config::ArgumentCheck::kFile);
  if (!live) return std::unexpected(live.error());
  const policy::Decision decision = decider_.File(live->caller, {.path = ask.path, .access = ask.access});
  const Granted<uint32_t> rule = RuleOf(*live, decision, ask.path, config_.policy.directories.size());
  if (!rule) return std::unexpected(rule.error());
  return PermittedOpen{.path = std::move(ask.path),
                       .directory = config_.policy.directories[*rule],
                       .access = ask.access,
                       .truncates = ask.truncates,
                       .appends = ask.appends,
                       .decider = &decider_};
}

void WorkerAsks::OpenPath(uint32_t plugin, uint32_t worker, uint64_t request_id, OpenAsk ask,
                          const WorkerServices::OnOpened& on_opened) {
  Granted<PermittedOpen> permitted = DecideOpen(plugin, worker, request_id, std::move(ask));
  if (!permitted) return on_opened(std::unexpected(permitted.error()));
  const uint64_t max_file_bytes = permitted->directory.max_file_bytes;
  RequestChildren& opens =
      opens_.try_emplace(permitted->directory.path, loop_, reaper_, kMaxOpensPerDirectory).first->second;
  const Result<pid_t> started =
      opens.Start({}, AnswerBy([request = std::move(*permitted)] { return OpenAsUser(request); }),
                  [on_opened, max_file_bytes](Result<ChildAnswer> answer) {
                    on_opened(ToOpened(std::move(answer), max_file_bytes));
                  });
  if (!started) on_opened(std::unexpected(Refusal::Of(started.error())));
}

Granted<PermittedProgram> WorkerAsks::DecideProgram(uint32_t plugin, uint32_t worker, uint64_t request_id,
                                                    ProgramAsk ask) {
  const Granted<Live> live = TakeLive(plugin, worker, request_id, config::ArgumentCheck::kProgram);
  if (!live) return std::unexpected(live.error());
  const policy::Decision decision = decider_.Program(live->caller, {.path = ask.argv[0],
                                                                    .args = std::span(ask.argv).subspan(1),
                                                                    .env = ask.environment,
                                                                    .has_env = ask.has_environment,
                                                                    .has_stdin = ask.streams.has_stdin,
                                                                    .stdin_bytes = ask.stdin_bytes});
  const Granted<uint32_t> index = RuleOf(*live, decision, ask.argv[0], config_.policy.programs.size());
  if (!index) return std::unexpected(index.error());
  const policy::ProgramRule& rule = config_.policy.programs[*index];
  if (config_.is_unprivileged && policy::TakesRoot(rule.confine))
    return std::unexpected(Refusal{0, "to confine a program as rule '" + rule.name + "' says takes root (" +
                                          rule.origin.ToString() + "), and this is an ordinary user's agent"});
  PermittedProgram program;
  program.rule = rule;
  program.environment = EnvironmentFor(rule, ask.environment, ask.has_environment, surroundings_.environment);
  program.search_path = SearchPathFor(ask.environment, surroundings_.environment);
  program.argv = std::move(ask.argv);
  program.settings = surroundings_.settings;
  program.filter = config_.program_filters[static_cast<size_t>(rule.confine)];
  program.decider = &decider_;
  if (live->command->Has(config::kProgramEndsWithRequest)) program.ends_with_request = request_id;
  return program;
}

void WorkerAsks::RunProgram(uint32_t plugin, uint32_t worker, uint64_t request_id, ProgramAsk ask,
                            const WorkerServices::OnStarted& on_started) {
  const WantedStreams streams = ask.streams;
  Granted<PermittedProgram> permitted = DecideProgram(plugin, worker, request_id, std::move(ask));
  if (!permitted) return on_started(std::unexpected(permitted.error()));
  programs_.Start(std::move(*permitted), streams, worker, on_started);
}

}  // namespace reeve::warden
