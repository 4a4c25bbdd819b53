#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "agent/wire/core_link.h"
#include "agent/wire/start_record.h"
#include "agent/worker/agent_services.h"
#include "agent/worker/plugin_loader.h"
#include "agent/worker/request_server.h"
#include "agent/worker/stop_signal.h"
#include "agent/worker/warden_client.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::worker {

// The descriptors a worker begins with; see agent/sandbox/confine_child.h and agent/wire/start_record.h.
struct WorkerFds {
  UniqueFd control;  // to the warden
  UniqueFd ring_in;
  UniqueFd ring_out;
  UniqueFd record;
  UniqueFd core;
  int first_inherited = -1;
};

// One worker process, as five steps in their order. The first that fails is the last; the caller then ends the process,
// without destroying this: a plugin is never unloaded.
class Worker {
 public:
  explicit Worker(WorkerFds fds) : fds_(std::move(fds)) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Status ReceiveSetup();
  Status EnterLoadSandbox();
  Status LoadPlugin();
  Status EnterRunSandbox();
  // Until the core or the warden is gone, or the warden asks it to end.
  Status Serve();

 private:
  // Lines go to the core while there is one, else to standard error, which the warden reads. Thread-safe.
  class CoreLog final : public LogSink {
   public:
    void Attach(wire::CoreLink* link);
    void Write(Severity severity, std::string_view line) override;

   private:
    std::mutex mutex_;
    wire::CoreLink* link_ = nullptr;
  };
  Status Connect(UniqueFd socket, wire::RingReader requests, wire::RingWriter replies);
  void Reconnect(UniqueFd socket);
  Status OutliveCore();
  void End();
  Status Deactivate();

  WorkerFds fds_;
  wire::StartRecord record_;
  MonotonicClock clock_;
  std::optional<wire::RingReader> requests_;
  std::optional<wire::RingWriter> replies_;
  std::optional<EventLoop> loop_;
  std::optional<WardenClient> warden_;
  std::unique_ptr<AgentServices> services_;
  LoadedPlugin loaded_;
  std::unique_ptr<RequestServer> server_;
  std::shared_ptr<wire::CoreLink> core_;
  CoreLog log_;
  StopSignal stop_signal_;
  std::optional<Error> lost_;  // why it ended, when that was no orderly end
};

}  // namespace reeve::worker
