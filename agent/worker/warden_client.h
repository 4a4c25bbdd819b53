#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "agent/wire/packet.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace reeve::worker {

// Why the warden did not do what it was asked.
struct Refused {
  int error_number = 0;  // an errno, or 0
  std::string text;
};

struct OpenedPath {
  UniqueFd fd;
  uint64_t max_file_bytes = 0;
};

struct StartedProgram {
  uint64_t program = 0;
  uint32_t pid = 0;
  UniqueFd status_fd, stdin_fd, stdout_fd, stderr_fd;  // open as they were asked for
  uint64_t max_output_bytes = 0;                       // 0: the rule has none of its own
};

template <typename T>
using Answer = std::variant<T, Refused>;

struct ProgramWanted {
  std::vector<std::string_view> arguments;
  std::vector<std::string_view> environment;
  bool has_environment = false;
  uint32_t streams = 0;  // wire::kStream*
  uint32_t stdin_bytes = 0;
};

// The worker's side of worker <-> warden. First the start, step by step, waiting; then, once Serve was called, asks with
// answers from the loop. Not thread-safe.
class WardenClient {
 public:
  using OnOpened = std::function<void(Answer<OpenedPath>)>;
  using OnStarted = std::function<void(Answer<StartedProgram>)>;
  using OnSignalled = std::function<void(const Refused*)>;  // nullptr: done

  WardenClient(UniqueFd socket, uint64_t generation) : socket_(std::move(socket)), generation_(generation) {}
  WardenClient(const WardenClient&) = delete;
  WardenClient& operator=(const WardenClient&) = delete;

  // The load sandbox stands; returns when the warden, having looked at the process, wants the plugin loaded.
  Status ReportConfined();
  // The run sandbox stands and the plugin has these commands; returns when it may serve.
  Status ReportReady(uint32_t abi_major, uint32_t abi_minor, const std::vector<std::string>& commands);

  // From now on answers come. `on_stopping`: the service stops, answer what is held and end. `on_lost`: the warden is
  // gone or talks nonsense; the last call.
  Status Serve(EventLoop& loop, std::function<void()> on_stopping, std::function<void(const Error&)> on_lost);

  // The freezing plugin's worker only. `on_core`: the core has ended, and this is the socket to the next one.
  void OnNewCore(std::function<void(UniqueFd socket)> on_core) { on_core_ = std::move(on_core); }
  // How much that plugin holds. The warden is gone when this cannot be said, and that is noticed by the loop.
  void TellHeld(uint64_t held);
  // The same of what it asks; `on_quiet` hears the answer's number.
  void Quiesce(uint64_t number);
  void OnQuiet(std::function<void(uint64_t number)> on_quiet) { on_quiet_ = std::move(on_quiet); }

  // Each fails, and then no answer follows: kTooLarge (also when kMaxWaitingAsks wait), kInvalidArgument (a NUL in a word).
  // The answer never comes from within. What is more than wire::kMaxAsksAtOnce waits here for answers.
  static constexpr size_t kMaxWaitingAsks = 8192;
  Status OpenPath(uint64_t request_id, uint32_t access, uint32_t flags, std::string_view path, OnOpened on_opened);
  Status RunProgram(uint64_t request_id, const ProgramWanted& wanted, OnStarted on_started);
  Status SignalProgram(uint64_t request_id, uint64_t program, int32_t signal, OnSignalled on_signalled);

 private:
  struct Run {
    OnStarted on_started;
    uint32_t streams = 0;
  };
  using Ask = std::variant<OnOpened, Run, OnSignalled>;
  struct Waiting {
    uint32_t number = 0;
    std::function<Status(uint32_t ask)> send;
  };

  Status WaitForOrder(wire::Type order);
  void OnReady();
  Status Handle(wire::Packet packet);
  Status HandleOpened(wire::Packet packet);
  Status HandleStarted(wire::Packet packet);
  Status HandleRefused(const wire::Packet& packet);
  Status HandleSignalled(const wire::Packet& packet);
  Status HandleNewCore(wire::Packet packet);
  Status HandleQuiet(const wire::Packet& packet);
  template <typename T>
  Result<T> TakeAsk(uint32_t number);
  // Sends it now or when there is room, under a number of its own.
  Status Begin(Ask ask, std::function<Status(uint32_t ask)> send);
  Status SendProgram(uint64_t request_id, wire::RunProgram run, std::string_view words);
  // An answer has come: what waited may go.
  Status SendNext();
  wire::Header HeaderOf(wire::Type type, uint64_t request_id = 0) const;
  Status Send(wire::Type type, uint64_t request_id, Bytes payload, std::string_view tail = {});

  UniqueFd socket_;
  uint64_t generation_;
  EventLoop* loop_ = nullptr;
  std::function<void()> on_stopping_;
  std::function<void(const Error&)> on_lost_;
  std::function<void(UniqueFd)> on_core_;
  std::function<void(uint64_t)> on_quiet_;
  bool is_lost_ = false;
  uint32_t last_number_ = 0;
  std::unordered_map<uint32_t, Ask> asks_;  // not answered, also those that wait
  std::deque<Waiting> waiting_;
};

}  // namespace reeve::worker
