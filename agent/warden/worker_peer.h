#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/sandbox/process_check.h"
#include "agent/warden/peer.h"
#include "agent/warden/refusal.h"
#include "agent/warden/running_programs.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "policy/policy.h"

namespace reeve::warden {

// What a worker asks to have opened, checked for form only.
struct OpenAsk {
  std::string path;
  policy::FileAccessMask access = 0;
  bool truncates = false;
  bool appends = false;
};

struct OpenedPath {
  UniqueFd fd;
  uint64_t max_file_bytes = 0;
};

// What a worker asks to have run, checked for form only.
struct ProgramAsk {
  std::vector<std::string> argv;  // never empty
  std::vector<std::string> environment;
  bool has_environment = false;
  WantedStreams streams;
  uint64_t stdin_bytes = 0;
};

// What stands behind a worker's messages; decides, and acts.
class WorkerServices {
 public:
  virtual ~WorkerServices() = default;
  // Looks at the process from outside; a failure ends the worker.
  virtual Status CheckWorker(uint32_t worker, sandbox::Stage stage) = 0;
  // It is of another build than this process: the package was changed under the service. It is ended too.
  virtual void OnOtherBuild() = 0;
  // It is checked, loaded and checked again: it may serve.
  virtual void OnWorkerReady(uint32_t worker) = 0;
  // How much its plugin holds. Fails when that is none of the warden's business: that ends the worker.
  virtual Status OnWorkerHolds(uint32_t worker, uint64_t held) = 0;
  // It wants to know when no line is written any more: from the return on. Fails when it holds nothing, or is none that may
  // ask.
  virtual Status OnWorkerQuiesces(uint32_t worker) = 0;
  // It broke the protocol, failed a check or closed its socket (then `why` is empty); the last call. The WorkerPeer is
  // not to be destroyed within.
  virtual void OnWorkerLost(uint32_t worker, const std::string& why) = 0;

  using OnOpened = std::function<void(Granted<OpenedPath>)>;
  virtual void OpenPath(uint32_t worker, uint64_t request_id, OpenAsk ask, OnOpened on_opened) = 0;
  using OnStarted = RunningPrograms::OnStarted;
  // `request_id` 0: for none.
  virtual void RunProgram(uint32_t worker, uint64_t request_id, ProgramAsk ask, OnStarted on_started) = 0;
  virtual Granted<void> SignalProgram(uint32_t worker, uint64_t program, int signal) = 0;
};

// The warden's side of one worker's control socket. Which message is allowed in which state stands in one table
// (worker_peer.cc); the first that is malformed or out of turn ends this worker and nobody else. Not thread-safe.
class WorkerPeer {
 public:
  // `commands` are the manifest's; `services` is lent.
  WorkerPeer(EventLoop& loop, UniqueFd socket, uint64_t generation, uint32_t worker, std::vector<std::string> commands,
             WorkerServices& services);
  ~WorkerPeer() { *is_alive_ = false; }

  // `before_packet`: see Peer::SetBeforePacket.
  Status Start(std::function<void()> before_packet);
  // Takes what it has said so far. May end it.
  void Drain() { peer_.Drain(); }
  // Its process has ended.
  void Close() { peer_.Close(); }
  // Asks it to end: what it holds is answered first.
  void SendStopping() { peer_.Send(wire::Type::kStopping); }
  // Its core has ended: here is the socket to the next one.
  void SendNewCore(const UniqueFd& socket) {
    const int fd = socket.get();
    peer_.Send(wire::Type::kNewCore, 0, std::span(&fd, 1));
  }

  enum class State : uint8_t {
    kStarted,  // nothing was heard: hello comes
    kGreeted,  // the load sandbox comes
    kLoading,  // checked; the plugin is loaded, the run sandbox comes
    kServing,  // checked again
  };
  State state() const { return state_; }

 private:
  struct Row;
  static const Row kTable[];

  Status Take(wire::Packet packet);
  Status TakeHello(const wire::Packet& packet);
  Status TakeConfined(const wire::Packet& packet);
  Status TakeReady(const wire::Packet& packet);
  Status TakeOpenPath(const wire::Packet& packet);
  Status TakeProgramWords(const wire::Packet& packet);
  Status TakeRunProgram(const wire::Packet& packet);
  Status TakeSignalProgram(const wire::Packet& packet);
  Status TakeHold(const wire::Packet& packet);
  Status TakeQuiesce(const wire::Packet& packet);

  Status BeginAsk(uint32_t ask);
  void Refuse(uint64_t request_id, uint32_t ask, const Refusal& refusal);
  void AnswerOpen(uint64_t request_id, uint32_t ask, const Granted<OpenedPath>& opened);
  void AnswerRun(uint64_t request_id, uint32_t ask, const Granted<StartedProgram>& started);

  uint32_t worker_;
  std::vector<std::string> commands_;  // sorted
  WorkerServices& services_;
  State state_ = State::kStarted;
  std::set<uint32_t> asked_;  // not answered
  uint32_t words_of_ = 0;     // the ask whose program's words are being gathered
  std::string words_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
  Peer peer_;
};

}  // namespace reeve::warden
