#include "agent/worker/warden_client.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace reeve::worker {
namespace {

using wire::Type;

// argv then env, each word ended by NUL, as kProgramWords carries them.
Result<std::string> JoinWords(const ProgramWanted& wanted) {
  if (wanted.arguments.size() + wanted.environment.size() > wire::kMaxWords)
    return Fail(Code::kTooLarge, "too many arguments and variables");
  std::string words;
  for (const auto* list : {&wanted.arguments, &wanted.environment}) {
    for (const std::string_view word : *list) {
      if (word.find('\0') != std::string_view::npos)
        return Fail(Code::kInvalidArgument, "an argument or a variable has a NUL in it");
      if (words.size() + word.size() + 1 > wire::kMaxProgramBytes)
        return Fail(Code::kTooLarge, "arguments and variables are too long");
      words += word;
      words += '\0';
    }
  }
  return words;
}

}  // namespace

wire::Header WardenClient::HeaderOf(Type type, uint64_t request_id) const {
  return {.type = type, .generation = generation_, .request_id = request_id};
}

Status WardenClient::Send(Type type, uint64_t request_id, Bytes payload, std::string_view tail) {
  return wire::SendWaiting(socket_.get(), HeaderOf(type, request_id), payload, AsBytes(tail));
}

Status WardenClient::WaitForOrder(Type order) {
  const wire::Packet packet = REEVE_TRY(wire::ReceiveWaiting(socket_.get()));
  if (packet.header.type == Type::kStopping) return Fail(Code::kClosed, "the service stops");
  if (packet.header.type != order || packet.header.generation != generation_ || !packet.payload.empty() ||
      !packet.fds.empty())
    return Fail(Code::kBadMessage, "the warden sent what it must not send now");
  return {};
}

Status WardenClient::ReportConfined() {
  wire::Hello hello;
  std::memcpy(hello.build_id, wire::BuildId(), sizeof hello.build_id);
  REEVE_TRY(Send(Type::kHello, 0, BytesOf(hello)));
  REEVE_TRY(Send(Type::kConfined, 0, {}));
  return WaitForOrder(Type::kLoad);
}

Status WardenClient::ReportReady(uint32_t abi_major, uint32_t abi_minor, const std::vector<std::string>& commands) {
  std::string names;
  for (const std::string& command : commands) names += command + '\0';
  const wire::Ready ready{.abi_major = abi_major,
                          .abi_minor = abi_minor,
                          .command_count = static_cast<uint32_t>(commands.size()),
                          .names_bytes = static_cast<uint32_t>(names.size())};
  REEVE_TRY(Send(Type::kReady, 0, BytesOf(ready), names));
  return WaitForOrder(Type::kServe);
}

Status WardenClient::Serve(EventLoop& loop, std::function<void()> on_stopping,
                           std::function<void(const Error&)> on_lost) {
  loop_ = &loop;
  on_stopping_ = std::move(on_stopping);
  on_lost_ = std::move(on_lost);
  return loop.Watch(socket_.get(), EPOLLIN, [this](uint32_t) { OnReady(); });
}

void WardenClient::OnReady() {
  while (!is_lost_) {
    Result<wire::Packet> packet = wire::Receive(socket_.get());
    if (!packet && packet.error().code() == Code::kUnavailable) return;
    const Status handled = packet ? Handle(std::move(*packet)) : Status(Fail(packet.error()));
    if (handled) continue;
    is_lost_ = true;
    loop_->Forget(socket_.get());
    on_lost_(handled.error());
  }
}

Status WardenClient::Handle(wire::Packet packet) {
  if (packet.header.generation != generation_) return Fail(Code::kBadMessage, "a message of another generation");
  const Type type = packet.header.type;
  if (type == Type::kPathOpened) return HandleOpened(std::move(packet));
  if (type == Type::kProgramStarted) return HandleStarted(std::move(packet));
  if (type == Type::kNewCore && on_core_) return HandleNewCore(std::move(packet));
  if (!packet.fds.empty()) return Fail(Code::kBadMessage, "a descriptor where none belongs");
  if (type == Type::kRefused) return HandleRefused(packet);
  if (type == Type::kProgramSignalled) return HandleSignalled(packet);
  if (type == Type::kQuiet && on_quiet_) return HandleQuiet(packet);
  if (type != Type::kStopping) return Fail(Code::kBadMessage, "a message of a type that no warden sends to a worker");
  on_stopping_();
  return {};
}

// The callback of the ask, which must be of that kind.
template <typename T>
Result<T> WardenClient::TakeAsk(uint32_t number) {
  const auto found = asks_.find(number);
  if (found == asks_.end() || !std::holds_alternative<T>(found->second))
    return Fail(Code::kBadMessage, "an answer to what was not asked");
  T ask = std::get<T>(std::move(found->second));
  asks_.erase(found);
  REEVE_TRY(SendNext());
  return ask;
}

Status WardenClient::HandleOpened(wire::Packet packet) {
  const auto opened = REEVE_TRY(packet.Read<wire::PathOpened>());
  if (packet.fds.size() != 1) return Fail(Code::kBadMessage, "an opened path without its descriptor");
  const OnOpened on_opened = REEVE_TRY(TakeAsk<OnOpened>(opened.ask));
  on_opened(OpenedPath{std::move(packet.fds[0]), opened.max_file_bytes});
  return {};
}

Status WardenClient::HandleStarted(wire::Packet packet) {
  const auto started = REEVE_TRY(packet.Read<wire::ProgramStarted>());
  const Run run = REEVE_TRY(TakeAsk<Run>(started.ask));
  StartedProgram program{.program = started.program,
                         .pid = started.pid,
                         .status_fd = {},
                         .stdin_fd = {},
                         .stdout_fd = {},
                         .stderr_fd = {},
                         .max_output_bytes = started.max_output_bytes};
  std::vector<UniqueFd*> places = {&program.status_fd};
  if ((run.streams & wire::kStreamStdin) != 0) places.push_back(&program.stdin_fd);
  if ((run.streams & wire::kStreamStdout) != 0) places.push_back(&program.stdout_fd);
  if ((run.streams & wire::kStreamStderr) != 0) places.push_back(&program.stderr_fd);
  if (packet.fds.size() != places.size())
    return Fail(Code::kBadMessage, "a program with other descriptors than were asked for");
  for (size_t i = 0; i < places.size(); ++i) *places[i] = std::move(packet.fds[i]);
  run.on_started(std::move(program));
  return {};
}

Status WardenClient::HandleRefused(const wire::Packet& packet) {
  Bytes text;
  const auto refused = REEVE_TRY(packet.Read<wire::Refused>(&text));
  if (text.size() != refused.text_bytes) return Fail(Code::kBadMessage, "a refusal is not as long as it says");
  const Refused why{static_cast<int>(refused.error_number), std::string(AsText(text))};
  const auto found = asks_.find(refused.ask);
  if (found == asks_.end()) return Fail(Code::kBadMessage, "an answer to what was not asked");
  const Ask ask = std::move(found->second);
  asks_.erase(found);
  REEVE_TRY(SendNext());
  if (const auto* on_opened = std::get_if<OnOpened>(&ask)) (*on_opened)(why);
  if (const auto* run = std::get_if<Run>(&ask)) run->on_started(why);
  if (const auto* on_signalled = std::get_if<OnSignalled>(&ask); on_signalled != nullptr && *on_signalled)
    (*on_signalled)(&why);
  return {};
}

Status WardenClient::HandleSignalled(const wire::Packet& packet) {
  const auto signalled = REEVE_TRY(packet.Read<wire::AskNumber>());
  const OnSignalled on_signalled = REEVE_TRY(TakeAsk<OnSignalled>(signalled.ask));
  if (on_signalled) on_signalled(nullptr);
  return {};
}

Status WardenClient::HandleNewCore(wire::Packet packet) {
  if (packet.fds.size() != 1 || !packet.payload.empty())
    return Fail(Code::kBadMessage, "a new core without its socket");
  on_core_(std::move(packet.fds[0]));
  return {};
}

Status WardenClient::HandleQuiet(const wire::Packet& packet) {
  on_quiet_(REEVE_TRY(packet.Read<wire::QuietNumber>()).number);
  return {};
}

void WardenClient::Quiesce(uint64_t number) {
  const wire::QuietNumber payload{.number = number};
  static_cast<void>(Send(Type::kQuiesce, 0, BytesOf(payload)));
}

void WardenClient::TellHeld(uint64_t held) {
  const wire::Hold payload{.held = held};
  static_cast<void>(Send(Type::kHold, 0, BytesOf(payload)));
}

Status WardenClient::Begin(Ask ask, std::function<Status(uint32_t ask)> send) {
  if (waiting_.size() >= kMaxWaitingAsks) return Fail(Code::kTooLarge, "too much is asked at one time");
  // After four thousand million asks one may still have its number.
  do ++last_number_;
  while (last_number_ == 0 || asks_.contains(last_number_));
  const uint32_t number = last_number_;
  if (asks_.size() >= wire::kMaxAsksAtOnce) {
    waiting_.push_back({number, std::move(send)});
  } else {
    REEVE_TRY(send(number));
  }
  asks_.emplace(number, std::move(ask));
  return {};
}

Status WardenClient::SendNext() {
  if (waiting_.empty()) return {};
  const Waiting next = std::move(waiting_.front());
  waiting_.pop_front();
  return next.send(next.number);
}

Status WardenClient::OpenPath(uint64_t request_id, uint32_t access, uint32_t flags, std::string_view path,
                              OnOpened on_opened) {
  if (path.empty() || path.find('\0') != std::string_view::npos)
    return Fail(Code::kInvalidArgument, "a path that is empty or has a NUL in it");
  return Begin(std::move(on_opened), [this, request_id, access, flags, path = std::string(path)](uint32_t ask) {
    const wire::OpenPath open{
        .access = access, .open_flags = flags, .path_bytes = static_cast<uint32_t>(path.size()), .ask = ask};
    return Send(Type::kOpenPath, request_id, BytesOf(open), path);
  });
}

Status WardenClient::SendProgram(uint64_t request_id, wire::RunProgram run, std::string_view words) {
  constexpr size_t kPartBytes = wire::kMaxMessageBytes - sizeof(wire::Header) - sizeof(wire::ProgramWords);
  run.total_bytes = static_cast<uint32_t>(words.size());
  for (std::string_view rest = words; !rest.empty(); rest.remove_prefix(std::min(rest.size(), kPartBytes))) {
    const std::string_view part = rest.substr(0, kPartBytes);
    const wire::ProgramWords payload{.bytes = static_cast<uint32_t>(part.size()), .ask = run.ask};
    REEVE_TRY(Send(Type::kProgramWords, request_id, BytesOf(payload), part));
  }
  return Send(Type::kRunProgram, request_id, BytesOf(run));
}

Status WardenClient::RunProgram(uint64_t request_id, const ProgramWanted& wanted, OnStarted on_started) {
  std::string words = REEVE_TRY(JoinWords(wanted));
  const wire::RunProgram run{.argument_count = static_cast<uint32_t>(wanted.arguments.size()),
                             .environment_count = static_cast<uint32_t>(wanted.environment.size()),
                             .total_bytes = 0,
                             .streams = wanted.streams,
                             .has_environment = wanted.has_environment ? 1u : 0u,
                             .stdin_bytes = wanted.stdin_bytes};
  return Begin(Run{std::move(on_started), wanted.streams},
               [this, request_id, run, words = std::move(words)](uint32_t ask) {
                 wire::RunProgram numbered = run;
                 numbered.ask = ask;
                 return SendProgram(request_id, numbered, words);
               });
}

Status WardenClient::SignalProgram(uint64_t request_id, uint64_t program, int32_t signal, OnSignalled on_signalled) {
  return Begin(std::move(on_signalled), [this, request_id, program, signal](uint32_t ask) {
    const wire::SignalProgram payload{.program = program, .signal = signal, .ask = ask};
    return Send(Type::kSignalProgram, request_id, BytesOf(payload));
  });
}

}  // namespace reeve::worker
