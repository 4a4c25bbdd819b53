#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "agent/wire/messages.h"
#include "agent/wire/packet.h"
#include "agent/wire/status_facts.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::core {

// What the worker pool may ask of the warden. Nothing here waits.
class WorkerRequests {
 public:
  virtual ~WorkerRequests() = default;
  virtual void StartWorker(uint32_t plugin) = 0;
  virtual void StopWorker(uint32_t worker) = 0;
  // The announcement is in the warden's socket before this returns, so it is read before anything that the worker
  // asks. kUnavailable: there is no room now; ask again at the next OnRoom. REQUIRES: announce.worker runs.
  virtual Status Announce(uint64_t request_id, uint32_t deadline_ms, const wire::Announce& announce) = 0;
  virtual void Retract(uint64_t request_id, uint32_t worker) = 0;
};

// The core's end of its socket to the warden. Not thread-safe.
class WardenLink final : public WorkerRequests {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnWorkerStarted(const wire::WorkerStarted& started, std::vector<UniqueFd> fds) = 0;
    virtual void OnWorkerEnded(const wire::WorkerEnded& ended, std::string_view why) = 0;
    virtual void OnDeviceOpened(uint32_t channel, UniqueFd device) = 0;
    virtual void OnDeviceFailed(uint32_t channel, std::string_view why) = 0;
    virtual void OnServe() = 0;     // the warden has checked this process from outside
    virtual void OnStopping() = 0;  // the service stops
    virtual void OnStatusFacts(wire::StatusFacts facts) = 0;
    // Ahead of OnServe: the freezing plugin holds this much, since before this core began.
    virtual void OnStillFrozen(uint64_t held) = 0;
    // A plugin ran a program for no request, or was refused. `words`: its argv, each word ended by NUL.
    virtual void OnStandingRun(const wire::StandingRun& run, std::string_view words) = 0;
    virtual void OnRoom() = 0;  // there is room again after Announce said kUnavailable
    // The warden went away or broke the protocol: nothing is repaired, the process is to end.
    virtual void OnLost(std::string_view why) = 0;
  };

  // `loop` and `handler` are lent for the life of this.
  WardenLink(EventLoop& loop, UniqueFd socket_fd, uint64_t generation, Handler& handler)
      : loop_(loop), socket_(std::move(socket_fd)), generation_(generation), handler_(handler) {}
  ~WardenLink() override { loop_.Forget(socket_.get()); }

  // Watches the socket and says hello.
  Status Start();

  void StartWorker(uint32_t plugin) override;
  void StopWorker(uint32_t worker) override;
  Status Announce(uint64_t request_id, uint32_t deadline_ms, const wire::Announce& announce) override;
  void Retract(uint64_t request_id, uint32_t worker) override;
  // Answered by OnDeviceOpened as soon as the device is there.
  void OpenDevice(uint32_t channel);

 private:
  struct Waiting {
    wire::Header header;
    std::vector<uint8_t> payload;
  };
  wire::Header HeaderOf(wire::Type type) const;
  template <typename Payload>
  void Put(const wire::Header& header, const Payload& payload);
  void PutBytes(const wire::Header& header, Bytes payload);
  void OnReady(uint32_t events);
  void SendWaiting();
  void ReceiveAll();
  Status Take(wire::Packet& packet);
  Status TakeWorkerStarted(wire::Packet& packet);
  Status TakeDeviceOpened(wire::Packet& packet);
  void Lose(std::string_view why);

  EventLoop& loop_;
  UniqueFd socket_;
  const uint64_t generation_;
  Handler& handler_;
  std::deque<Waiting> waiting_;  // what the socket had no room for
  bool is_room_wanted_ = false;
  bool is_lost_ = false;
};

}  // namespace reeve::core
