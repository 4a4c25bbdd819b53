#include "agent/warden/worker_peer.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

namespace reeve::warden {
namespace {

constexpr uint32_t kKnownAccess = static_cast<uint32_t>(policy::FileAccess::kRead) |
                                  static_cast<uint32_t>(policy::FileAccess::kWrite) |
                                  static_cast<uint32_t>(policy::FileAccess::kCreate);
constexpr uint32_t kWriteAccess = static_cast<uint32_t>(policy::FileAccess::kWrite);
constexpr uint32_t kKnownStreams = wire::kStreamStdin | wire::kStreamStdout | wire::kStreamStderr | wire::kStreamMerged;
// Real-time signals are no business between a host and a program.
constexpr int kLastSignal = SIGSYS;

// `text` as `count` words, each ended by NUL. Counted first: a text of nothing but NULs would become many times its size.
Result<std::vector<std::string>> SplitWords(std::string_view text, uint64_t count) {
  const bool is_whole = text.empty() || text.back() == '\0';
  if (!is_whole || static_cast<uint64_t>(std::ranges::count(text, '\0')) != count)
    return Malformed("it counts its words wrongly");
  std::vector<std::string> words;
  for (size_t end = 0; !text.empty(); text.remove_prefix(end + 1)) {
    end = text.find('\0');
    words.emplace_back(text.substr(0, end));
  }
  return words;
}

Result<WantedStreams> StreamsOf(uint32_t bits) {
  const WantedStreams streams{.has_stdin = (bits & wire::kStreamStdin) != 0,
                              .has_stdout = (bits & wire::kStreamStdout) != 0,
                              .has_stderr = (bits & wire::kStreamStderr) != 0,
                              .is_merged = (bits & wire::kStreamMerged) != 0};
  if ((bits & ~kKnownStreams) != 0) return Malformed("unknown streams");
  if (streams.is_merged && (streams.has_stderr || !streams.has_stdout))
    return Malformed("streams that cannot be merged");
  return streams;
}

Status CheckOpen(const wire::OpenPath& open) {
  if (open.access == 0 || (open.access & ~kKnownAccess) != 0) return Malformed("unknown access");
  if ((open.open_flags & ~(wire::kOpenTruncate | wire::kOpenAppend)) != 0) return Malformed("unknown open flags");
  // Truncation, creation and appending without the right to write make no sense, and a hole where they pass.
  const bool changes = open.open_flags != 0 || (open.access & static_cast<uint32_t>(policy::FileAccess::kCreate)) != 0;
  if (changes && (open.access & kWriteAccess) == 0) return Malformed("a change without the right to write");
  return {};
}

}  // namespace

struct WorkerPeer::Row {
  wire::Type type;
  State state;  // the only one in which it may come
  Status (WorkerPeer::*take)(const wire::Packet&);
};

const WorkerPeer::Row WorkerPeer::kTable[] = {
    {wire::Type::kHello, State::kStarted, &WorkerPeer::TakeHello},
    {wire::Type::kConfined, State::kGreeted, &WorkerPeer::TakeConfined},
    {wire::Type::kReady, State::kLoading, &WorkerPeer::TakeReady},
    {wire::Type::kOpenPath, State::kServing, &WorkerPeer::TakeOpenPath},
    {wire::Type::kProgramWords, State::kServing, &WorkerPeer::TakeProgramWords},
    {wire::Type::kRunProgram, State::kServing, &WorkerPeer::TakeRunProgram},
    {wire::Type::kSignalProgram, State::kServing, &WorkerPeer::TakeSignalProgram},
    {wire::Type::kHold, State::kServing, &WorkerPeer::TakeHold},
    {wire::Type::kQuiesce, State::kServing, &WorkerPeer::TakeQuiesce},
};

WorkerPeer::WorkerPeer(EventLoop& loop, UniqueFd socket, uint64_t generation, uint32_t worker,
                       std::vector<std::string> commands, WorkerServices& services)
    : worker_(worker),
      commands_(std::move(commands)),
      services_(services),
      peer_(
          loop, std::move(socket), generation, [this](wire::Packet packet) { return Take(std::move(packet)); },
          [this](const std::string& why) { services_.OnWorkerLost(worker_, why); }) {
  std::ranges::sort(commands_);
}

Status WorkerPeer::Start(std::function<void()> before_packet) {
  peer_.SetBeforePacket(std::move(before_packet));
  return peer_.Start();
}

Status WorkerPeer::Take(wire::Packet packet) {
  for (const Row& row : kTable)
    if (row.type == packet.header.type)
      return row.state == state_ ? (this->*row.take)(packet) : Malformed("it is out of turn");
  return Malformed("its type is unknown here");
}

Status WorkerPeer::TakeHello(const wire::Packet& packet) {
  const auto hello = REEVE_TRY(packet.Read<wire::Hello>());
  if (std::memcmp(hello.build_id, wire::BuildId(), sizeof hello.build_id) != 0) {
    services_.OnOtherBuild();
    return Malformed("it is of another build than the warden");
  }
  state_ = State::kGreeted;
  return {};
}

Status WorkerPeer::TakeConfined(const wire::Packet& packet) {
  REEVE_TRY(CheckEmpty(packet));
  REEVE_TRY(services_.CheckWorker(worker_, sandbox::Stage::kLoad));
  state_ = State::kLoading;
  peer_.Send(wire::Type::kLoad);
  return {};
}

Status WorkerPeer::TakeReady(const wire::Packet& packet) {
  Bytes tail;
  const auto ready = REEVE_TRY(packet.Read<wire::Ready>(&tail));
  if (ready.names_bytes != tail.size()) return Malformed("its names are cut");
  std::vector<std::string> names = REEVE_TRY(SplitWords(AsText(tail), ready.command_count));
  std::ranges::sort(names);
  if (names != commands_) return Malformed("its commands are not those of its manifest");
  REEVE_TRY(services_.CheckWorker(worker_, sandbox::Stage::kRun));
  state_ = State::kServing;
  peer_.Send(wire::Type::kServe);
  if (!peer_.has_ended()) services_.OnWorkerReady(worker_);
  return {};
}

// How often one request may ask is for those to say who know its command.
Status WorkerPeer::BeginAsk(uint32_t ask) {
  if (asked_.size() >= wire::kMaxAsksAtOnce) return Malformed("too much is asked at one time");
  if (ask == 0 || !asked_.insert(ask).second) return Malformed("its number is another ask's");
  return {};
}

Status WorkerPeer::TakeOpenPath(const wire::Packet& packet) {
  Bytes tail;
  const auto open = REEVE_TRY(packet.Read<wire::OpenPath>(&tail));
  if (open.path_bytes != tail.size() || tail.empty()) return Malformed("its path is cut");
  REEVE_TRY(CheckOpen(open));
  const uint64_t request_id = packet.header.request_id;
  REEVE_TRY(BeginAsk(open.ask));
  OpenAsk ask{.path = std::string(AsText(tail)),
              .access = static_cast<policy::FileAccessMask>(open.access),
              .truncates = (open.open_flags & wire::kOpenTruncate) != 0,
              .appends = (open.open_flags & wire::kOpenAppend) != 0};
  services_.OpenPath(worker_, request_id, std::move(ask),
                     [this, is_alive = is_alive_, request_id, ask = open.ask](const Granted<OpenedPath>& opened) {
                       if (*is_alive) AnswerOpen(request_id, ask, opened);
                     });
  return {};
}

Status WorkerPeer::TakeProgramWords(const wire::Packet& packet) {
  Bytes tail;
  const auto words = REEVE_TRY(packet.Read<wire::ProgramWords>(&tail));
  if (words.bytes != tail.size() || tail.empty() || words.ask == 0) return Malformed("its words are cut");
  if (!words_.empty() && words_of_ != words.ask) return Malformed("words of two programs are mixed");
  if (words_.size() + tail.size() > wire::kMaxProgramBytes) return Malformed("its words are too long");
  words_of_ = words.ask;
  words_ += AsText(tail);
  return {};
}

Status WorkerPeer::TakeRunProgram(const wire::Packet& packet) {
  const auto run = REEVE_TRY(packet.Read<wire::RunProgram>());
  const uint64_t request_id = packet.header.request_id;
  if (words_of_ != run.ask || words_.size() != run.total_bytes) return Malformed("its words are missing");
  if (run.has_environment > 1 || run.reserved != 0) return Malformed("an unknown environment");
  const uint64_t count = uint64_t{run.argument_count} + run.environment_count;
  if (run.argument_count == 0 || count > wire::kMaxWords) return Malformed("too few or too many words");
  const std::vector<std::string> words = REEVE_TRY(SplitWords(std::exchange(words_, {}), count));
  REEVE_TRY(BeginAsk(run.ask));
  const auto first_variable = words.begin() + run.argument_count;
  ProgramAsk ask{.argv = {words.begin(), first_variable},
                 .environment = {first_variable, words.end()},
                 .has_environment = run.has_environment == 1,
                 .streams = REEVE_TRY(StreamsOf(run.streams)),
                 .stdin_bytes = run.stdin_bytes};
  services_.RunProgram(worker_, request_id, std::move(ask),
                       [this, is_alive = is_alive_, request_id, ask = run.ask](const Granted<StartedProgram>& started) {
                         if (*is_alive) AnswerRun(request_id, ask, started);
                       });
  return {};
}

Status WorkerPeer::TakeSignalProgram(const wire::Packet& packet) {
  const auto signal = REEVE_TRY(packet.Read<wire::SignalProgram>());
  if (signal.signal < 1 || signal.signal > kLastSignal || signal.ask == 0) return Malformed("an unknown signal");
  const Granted<void> done = services_.SignalProgram(worker_, signal.program, signal.signal);
  if (!done) {
    Refuse(packet.header.request_id, signal.ask, done.error());
    return {};
  }
  peer_.Send(wire::Type::kProgramSignalled, packet.header.request_id, wire::AskNumber{signal.ask});
  return {};
}

Status WorkerPeer::TakeHold(const wire::Packet& packet) {
  return services_.OnWorkerHolds(worker_, REEVE_TRY(packet.Read<wire::Hold>()).held);
}

Status WorkerPeer::TakeQuiesce(const wire::Packet& packet) {
  const auto quiesce = REEVE_TRY(packet.Read<wire::QuietNumber>());
  REEVE_TRY(services_.OnWorkerQuiesces(worker_));
  peer_.Send(wire::Type::kQuiet, 0, quiesce);
  return {};
}

void WorkerPeer::Refuse(uint64_t request_id, uint32_t ask, const Refusal& refusal) {
  const std::string text = refusal.text.substr(0, wire::kMaxTextBytes);
  peer_.Send(wire::Type::kRefused, request_id,
             wire::Refused{.error_number = static_cast<uint32_t>(refusal.error_number),
                           .text_bytes = static_cast<uint32_t>(text.size()),
                           .ask = ask},
             text);
}

void WorkerPeer::AnswerOpen(uint64_t request_id, uint32_t ask, const Granted<OpenedPath>& opened) {
  asked_.erase(ask);
  if (!opened) return Refuse(request_id, ask, opened.error());
  const int fd = opened->fd.get();
  peer_.Send(wire::Type::kPathOpened, request_id, wire::PathOpened{opened->max_file_bytes, ask}, {}, std::span(&fd, 1));
}

void WorkerPeer::AnswerRun(uint64_t request_id, uint32_t ask, const Granted<StartedProgram>& started) {
  asked_.erase(ask);
  if (!started) return Refuse(request_id, ask, started.error());
  std::vector<int> fds;
  for (const UniqueFd* fd : {&started->status, &started->stdin_pipe, &started->stdout_pipe, &started->stderr_pipe})
    if (fd->is_open()) fds.push_back(fd->get());
  const wire::ProgramStarted told{.program = started->program,
                                  .pid = static_cast<uint32_t>(started->pid),
                                  .max_output_bytes = static_cast<uint32_t>(started->max_output_bytes),
                                  .ask = ask};
  peer_.Send(wire::Type::kProgramStarted, request_id, told, {}, fds);
}

}  // namespace reeve::warden
