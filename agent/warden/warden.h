#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/config.h"
#include "agent/warden/child.h"
#include "agent/warden/core_peer.h"
#include "agent/warden/devices.h"
#include "agent/warden/freezer.h"
#include "agent/warden/log_process.h"
#include "agent/warden/request_children.h"
#include "agent/warden/restart_rule.h"
#include "agent/warden/worker.h"
#include "agent/warden/worker_asks.h"
#include "agent/warden/worker_peer.h"
#include "agent/wire/status_facts.h"
#include "base/event_loop.h"

namespace reeve::warden {

// What main has gathered for the warden's life.
struct WardenSetup {
  config::Config config;
  UniqueFd blob;                    // the same configuration, sealed: the core's copy
  std::vector<UniqueFd> listeners;  // MakeListeners(config.channels)
  WorkerAsks::Surroundings surroundings;
  std::string binary_directory;  // where reeve-core, reeve-worker and reeve-log are
  std::string notify_socket;     // $NOTIFY_SOCKET, may be empty
  wire::StatusFacts facts;       // but for what changes while the warden lives
  Freezer::Thaw thaw_for_stuck_worker;
};

// The parent of all: starts core, log and workers, checks them from outside, serves what they may ask, and ends them. Not
// thread-safe; lives on its loop.
class Warden final : public CoreServices, public WorkerServices {
 public:
  // Fails when the policy cannot be compiled. `loop` is lent.
  static Result<std::unique_ptr<Warden>> Create(EventLoop& loop, WardenSetup setup);
  ~Warden() override = default;

  // The core comes up from within the loop. When the first one never serves, the loop is stopped and exit_code() is 1.
  Status Start();
  // Ends everything, then stops the loop: at once when all are gone, at the latest after kStopTimeout, or, when
  // something is frozen, after the two below as well.
  void BeginStop();
  int exit_code() const { return exit_code_; }

  static constexpr std::chrono::seconds kStopTimeout{4};
  // From SIGTERM to SIGKILL, for core, workers and programs alike.
  static constexpr std::chrono::seconds kStopGrace{2};
  // What is frozen has so long more to be thawed, and its worker is not killed within that. Then it is, and a child has so long
  // to thaw in its place.
  static constexpr std::chrono::seconds kThawTimeout{10};
  static constexpr std::chrono::seconds kLastThawTimeout{5};

 private:
  Warden(EventLoop& loop, WardenSetup setup);

  // The core.
  void PrepareCore();
  Status StartCore(PreparedFiles files);
  // `retry` after a while, or, when nothing was served yet, the service ends.
  void DoesNotStart(const char* name, const Error& why, std::function<void()> retry);
  void CoreEnded(int wait_status);
  Status CheckCore() override;
  void OnCoreChecked() override;
  void OnCoreServing() override;
  // Both peers': ends this process as soon as no program runs, so that the service manager starts the new one.
  void OnOtherBuild() override;
  void EndWhenIdle();
  void OnCoreLost(const std::string& why) override;
  void TellFacts();

  // Its process has begun or ended.
  void OnLogChanged();

  // What the core asks.
  Status StartWorker(uint32_t plugin) override;
  Status StopWorker(uint32_t worker) override;
  Status Announce(uint64_t request_id, uint32_t deadline_ms, const wire::Announce& what) override;
  Status Retract(uint64_t request_id, uint32_t worker) override;
  Status OpenDevice(uint32_t channel) override;
  void DeviceOpened(uint32_t channel, Result<UniqueFd> device);

  // Workers.
  void WorkerPrepared(uint32_t worker, Result<PreparedFiles> files);
  Status ForkWorker(Worker& worker, PreparedFiles files);
  void WorkerEnded(uint32_t worker, int wait_status);
  // Kills it, and tells the core when it has ended, or soon if it does not.
  void FailWorker(uint32_t worker, const std::string& why);
  void TellEnd(Worker& worker, int wait_status, const std::string& why);
  Status CheckWorker(uint32_t worker, sandbox::Stage stage) override;
  void OnWorkerReady(uint32_t worker) override;
  Status OnWorkerHolds(uint32_t worker, uint64_t held) override;
  Status OnWorkerQuiesces(uint32_t worker) override;
  Status GiveToNewCore(Worker& worker);
  void TellStarted(const Worker& worker, const UniqueFd& socket);
  void OnWorkerLost(uint32_t worker, const std::string& why) override { FailWorker(worker, why); }

  // What workers ask.
  void OpenPath(uint32_t worker, uint64_t request_id, OpenAsk ask, OnOpened on_opened) override;
  void RunProgram(uint32_t worker, uint64_t request_id, ProgramAsk ask, OnStarted on_started) override;
  Granted<void> SignalProgram(uint32_t worker, uint64_t program, int signal) override;

  void KillAll(int signal);
  void StopAfter(std::chrono::seconds timeout);
  void GiveUp();
  bool HaveAllEnded() const;
  void StopIfAllEnded();
  void AwaitEnds();
  // Destroys a peer after the callback that it is in has returned.
  template <typename T>
  void DestroyLater(std::unique_ptr<T> object) {
    loop_.After({}, [kept = std::shared_ptr<T>(std::move(object))]() mutable { kept.reset(); });
  }

  struct Core {
    pid_t pid = -1;
    std::vector<int> fds;  // planned
    std::unique_ptr<CorePeer> peer;
    RunningTime started_at{};
  };

  EventLoop& loop_;
  WardenSetup setup_;
  std::unique_ptr<const policy::Decider> decider_;
  Reaper reaper_;
  RequestChildren preparers_;
  RequestChildren device_openers_;
  std::optional<WorkerAsks> asks_;
  Devices devices_;
  RestartRule restart_rule_;
  LogProcess log_;
  Core core_;
  bool is_core_begun_ = false;
  bool has_served_ = false;
  uint32_t last_worker_ = 0;
  std::map<uint32_t, std::unique_ptr<Worker>> workers_;
  std::optional<Freezer> freezer_;
  bool is_outdated_ = false;  // by a package that was installed since
  bool is_stopping_ = false;
  int exit_code_ = 0;
};

}  // namespace reeve::warden
