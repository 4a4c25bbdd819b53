#include "agent/warden/worker_asks.h"

#include <sys/wait.h>

#include <cerrno>
#include <utility>

#include "agent/sandbox/capabilities.h"
#include "base/log.h"

namespace reeve::warden {
namespace {

std::unexpected<Refusal> Refuse(std::string text) {
  return std::unexpected(Refusal{0, std::move(text)});
}

// Whether policy looks at what the host names in the command's arguments; what any other command asks for is its plugin's
// own affair.
bool IsForHost(const config::CommandSpec& command) {
  return command.check != config::ArgumentCheck::kNone;
}

policy::ProgramCall CallOf(const ProgramAsk& ask) {
  return {.path = ask.argv[0],
          .args = std::span(ask.argv).subspan(1),
          .env = ask.environment,
          .has_env = ask.has_environment,
          .has_stdin = ask.streams.has_stdin,
          .stdin_bytes = ask.stdin_bytes};
}

// As many as a message tells, each ended by NUL.
std::string FirstWords(const std::vector<std::string>& argv) {
  std::string words;
  for (const std::string& word : argv) {
    if (words.size() + word.size() >= wire::kMaxTextBytes) break;
    words.append(word.c_str(), word.size() + 1);
  }
  return words;
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
                       Surroundings surroundings, OnStandingRun on_standing_run)
    : config_(config),
      decider_(decider),
      loop_(loop),
      surroundings_(std::move(surroundings)),
      on_standing_run_(std::move(on_standing_run)),
      reaper_(reaper),
      programs_(loop, reaper, std::move(surroundings_.groups), surroundings_.group_prefix,
                ProgramUids(config.first_program_uid, config.program_uid_count)) {
  loop.AlsoTimes([this] { return announced_.size() > 0; });
}

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
  return announced_.Announce(request_id, what, command.asks, deadline_ms, loop_.Now());
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
  if (IsForHost(command) && command.check != check) return Refuse(command.name + " may not ask for this");
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

Granted<const policy::FileDirectory*> WorkerAsks::DirectoryFor(uint32_t plugin, const Live& live,
                                                               const OpenAsk& ask) const {
  const policy::FileCall call{.path = ask.path, .access = ask.access};
  if (IsForHost(*live.command)) {
    const Granted<uint32_t> index =
        RuleOf(live, decider_.File(live.caller, call), ask.path, config_.policy.directories.size());
    if (!index) return std::unexpected(index.error());
    return &config_.policy.directories[*index];
  }
  const std::string& name = config_.plugins[plugin].name;
  const policy::Decision decision = decider_.PluginFile(name, call);
  if (!decision.is_allowed()) return Refuse(policy::ArgumentRefusal(live.command->name, ask.path, decision));
  return &decider_.RulesOf(name)->directories[decision.index];
}

Granted<PermittedOpen> WorkerAsks::DecideOpen(uint32_t plugin, uint32_t worker, uint64_t request_id, OpenAsk ask) {
  const Granted<Live> live = TakeLive(plugin, worker, request_id, config::ArgumentCheck::kFile);
  if (!live) return std::unexpected(live.error());
  const Granted<const policy::FileDirectory*> directory = DirectoryFor(plugin, *live, ask);
  if (!directory) return std::unexpected(directory.error());
  return PermittedOpen{.path = std::move(ask.path),
                       .directory = **directory,
                       .access = ask.access,
                       .truncates = ask.truncates,
                       .appends = ask.appends,
                       .decider = &decider_,
                       .plugin = IsForHost(*live->command) ? "" : config_.plugins[plugin].name};
}

void WorkerAsks::OpenPath(uint32_t plugin, uint32_t worker, uint64_t request_id, OpenAsk ask,
                          const WorkerServices::OnOpened& on_opened) {
  Granted<PermittedOpen> permitted = DecideOpen(plugin, worker, request_id, std::move(ask));
  if (!permitted) return on_opened(std::unexpected(permitted.error()));
  const uint64_t max_file_bytes = permitted->directory.max_file_bytes;
  // No plugin takes the host's room, nor another plugin's.
  const std::string place = permitted->plugin + ":" + permitted->directory.path;
  RequestChildren& opens = opens_.try_emplace(place, loop_, reaper_, kMaxOpensPerDirectory).first->second;
  const Result<pid_t> started =
      opens.Start({}, AnswerBy([request = std::move(*permitted)] { return OpenAsUser(request); }),
                  [on_opened, max_file_bytes](Result<ChildAnswer> answer) {
                    on_opened(ToOpened(std::move(answer), max_file_bytes));
                  });
  if (!started) on_opened(std::unexpected(Refusal::Of(started.error())));
}

Granted<const policy::ProgramRule*> WorkerAsks::RuleFor(uint32_t plugin, const Live& live,
                                                        const ProgramAsk& ask) const {
  if (IsForHost(*live.command)) {
    const Granted<uint32_t> index =
        RuleOf(live, decider_.Program(live.caller, CallOf(ask)), ask.argv[0], config_.policy.programs.size());
    if (!index) return std::unexpected(index.error());
    return &config_.policy.programs[*index];
  }
  const std::string& name = config_.plugins[plugin].name;
  const policy::Decision decision = decider_.PluginProgram(name, CallOf(ask), policy::Asking::kForRequest);
  if (!decision.is_allowed()) return Refuse(policy::ArgumentRefusal(live.command->name, ask.argv[0], decision));
  return &decider_.RulesOf(name)->programs[decision.index];
}

Granted<PermittedProgram> WorkerAsks::Permit(const policy::ProgramRule& rule, ProgramAsk ask) const {
  if (config_.is_unprivileged && policy::TakesRoot(rule.confine))
    return std::unexpected(Refusal{0, "to confine a program as rule '" + rule.name + "' says takes root (" +
                                          rule.origin.ToString() + "), and this is an ordinary user's agent"});
  PermittedProgram program;
  program.rule = rule;
  program.environment = EnvironmentFor(rule, ask.environment, ask.has_environment, surroundings_.environment);
  program.search_path = SearchPathFor(ask.environment, surroundings_.environment);
  program.argv = std::move(ask.argv);
  // Asked for by the rule's name it is told where it stands, as a shell would; some look at what they are called.
  if (rule.run != "*" && program.argv[0] == rule.name) program.argv[0] = rule.run;
  program.settings = surroundings_.settings;
  program.filter = config_.program_filters[static_cast<size_t>(rule.confine)];
  program.decider = &decider_;
  return program;
}

Granted<PermittedProgram> WorkerAsks::DecideProgram(uint32_t plugin, uint32_t worker, uint64_t request_id,
                                                    ProgramAsk ask) {
  const Granted<Live> live = TakeLive(plugin, worker, request_id, config::ArgumentCheck::kProgram);
  if (!live) return std::unexpected(live.error());
  const Granted<const policy::ProgramRule*> rule = RuleFor(plugin, *live, ask);
  if (!rule) return std::unexpected(rule.error());
  Granted<PermittedProgram> program = Permit(**rule, std::move(ask));
  if (program && !IsForHost(*live->command)) program->plugin = config_.plugins[plugin].name;
  if (program && live->command->Has(config::kProgramEndsWithRequest)) program->ends_with_request = request_id;
  return program;
}

void WorkerAsks::RunProgram(uint32_t plugin, uint32_t worker, uint64_t request_id, ProgramAsk ask,
                            const WorkerServices::OnStarted& on_started) {
  if (request_id == 0) return RunStanding(plugin, worker, std::move(ask), on_started);
  const WantedStreams streams = ask.streams;
  Granted<PermittedProgram> permitted = DecideProgram(plugin, worker, request_id, std::move(ask));
  if (!permitted) return on_started(std::unexpected(permitted.error()));
  programs_.Start(std::move(*permitted), streams, worker, on_started);
}

Granted<void> WorkerAsks::AdmitStanding(uint32_t plugin) {
  const std::string& name = config_.plugins[plugin].name;
  LogLimiter& limiter = standing_asks_[plugin];
  if (!limiter.Admit(loop_.Now()))
    return std::unexpected(Refusal{EAGAIN, "plugin " + name + " asks for programs without a request too often"});
  const uint64_t unheard = limiter.TakeDropped();
  if (unheard > 0)
    LogWarning("plugin " + name + " asked for " + std::to_string(unheard) + " programs without a request too often");
  return {};
}

Granted<PermittedProgram> WorkerAsks::DecideStanding(uint32_t plugin, const policy::Decision& decision,
                                                     ProgramAsk ask) {
  const std::string& name = config_.plugins[plugin].name;
  if (!decision.is_allowed()) {
    std::string refusal = policy::ArgumentRefusal("plugin " + name, ask.argv[0], decision);
    LogWarning(refusal + " without a request: " + decision.reason);
    return Refuse(std::move(refusal));
  }
  const policy::ProgramRule& rule = decider_.RulesOf(name)->programs[decision.index];
  LogWarning("plugin " + name + " runs " + rule.run + " without a request, by its policy rule '" + rule.name + "' in " +
             rule.origin.ToString());
  Granted<PermittedProgram> program = Permit(rule, std::move(ask));
  if (program) program->plugin = name;
  return program;
}

// No channel's trail tells of these: the log does, under the plugin's name, and not only when it is verbose; and the core.
void WorkerAsks::RunStanding(uint32_t plugin, uint32_t worker, ProgramAsk ask,
                             const WorkerServices::OnStarted& on_started) {
  if (const Granted<void> admitted = AdmitStanding(plugin); !admitted)
    return on_started(std::unexpected(admitted.error()));
  const WantedStreams streams = ask.streams;
  const policy::Decision decision =
      decider_.PluginProgram(config_.plugins[plugin].name, CallOf(ask), policy::Asking::kStanding);
  const auto tell = [this, plugin, rule = decision.index, words = FirstWords(ask.argv)](
                        wire::RunKind kind, uint64_t program = 0, int32_t value = 0) {
    on_standing_run_({.program = program,
                      .plugin = plugin,
                      .rule = rule,
                      .kind = static_cast<uint32_t>(kind),
                      .value = value,
                      .text_bytes = static_cast<uint32_t>(words.size())},
                     words);
  };
  Granted<PermittedProgram> program = DecideStanding(plugin, decision, std::move(ask));
  if (!program) {
    tell(decision.is_allowed() ? wire::RunKind::kFailed : wire::RunKind::kRefused);
    return on_started(std::unexpected(program.error()));
  }
  program->on_end = [tell](uint64_t number, int status) {
    if (WIFEXITED(status)) return tell(wire::RunKind::kExited, number, WEXITSTATUS(status));
    tell(wire::RunKind::kKilled, number, WTERMSIG(status));
  };
  programs_.Start(std::move(*program), streams, worker, [tell, on_started](Granted<StartedProgram> started) {
    started ? tell(wire::RunKind::kStarted, started->program) : tell(wire::RunKind::kFailed);
    on_started(std::move(started));
  });
}

}  // namespace reeve::warden
