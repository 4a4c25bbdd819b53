#pragma once

#include <cstdint>
#include <string>

#include "agent/warden/peer.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace reeve::warden {

// What stands behind the core's messages. A failure is a message that was malformed or out of turn: it ends the core.
class CoreServices {
 public:
  virtual ~CoreServices() = default;
  // Looks at the process from outside, after its run sandbox stands.
  virtual Status CheckCore() = 0;
  // It is checked, and is told to serve after this: what it has to know before.
  virtual void OnCoreChecked() = 0;
  virtual void OnCoreServing() = 0;
  // It is of another build than this process: the package was changed under the service. It is ended too.
  virtual void OnOtherBuild() = 0;
  // It broke the protocol, failed its check or closed its socket; the last call. The CorePeer is not to be
  // destroyed within.
  virtual void OnCoreLost(const std::string& why) = 0;

  virtual Status StartWorker(uint32_t plugin) = 0;
  virtual Status StopWorker(uint32_t worker) = 0;
  virtual Status Announce(uint64_t request_id, uint32_t deadline_ms, const wire::Announce& what) = 0;
  virtual Status Retract(uint64_t request_id, uint32_t worker) = 0;
  virtual Status OpenDevice(uint32_t channel) = 0;
};

// The warden's side of the core's control socket: the five things that a core may ask, after hello. Not thread-safe.
class CorePeer {
 public:
  // `services` is lent.
  CorePeer(EventLoop& loop, UniqueFd socket, uint64_t generation, CoreServices& services);

  Status Start() { return peer_.Start(); }
  // Takes what the core has said so far, before a worker is listened to. May end the core.
  void Drain() { peer_.Drain(); }
  // Its process has ended.
  void Close() { peer_.Close(); }

  template <typename Payload>
  void Send(wire::Type type, const Payload& payload, std::string_view tail = {}, std::span<const int> fds = {}) {
    if (is_serving_) peer_.Send(type, 0, payload, tail, fds);
  }
  bool is_serving() const { return is_serving_; }
  void SendStopping() {
    if (is_serving_) peer_.Send(wire::Type::kStopping);
  }

 private:
  struct Row;
  static const Row kTable[];

  Status Take(const wire::Packet& packet);
  Status TakeHello(const wire::Packet& packet);
  Status TakeStartWorker(const wire::Packet& packet);
  Status TakeStopWorker(const wire::Packet& packet);
  Status TakeAnnounce(const wire::Packet& packet);
  Status TakeRetract(const wire::Packet& packet);
  Status TakeOpenDevice(const wire::Packet& packet);

  CoreServices& services_;
  bool is_serving_ = false;
  Peer peer_;
};

}  // namespace reeve::warden
