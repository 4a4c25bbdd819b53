#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "agent/config/config.h"
#include "agent/core/channel_status.h"
#include "agent/core/client.h"
#include "agent/transport/listening_socket.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace reeve::core {

inline constexpr size_t kMaxControlClients = 8;

// All channels of the configuration: accepts clients, keeps serial ports open, and owns what comes of both. Not
// thread-safe.
class ChannelServer final : public Client::Owner {
 public:
  using OpenDevice = std::function<void(uint32_t channel)>;

  struct Limits {
    // Beyond so many clients the next ones wait in the listening sockets, each of which has the same share of them: who
    // fills one keeps nobody from another. Descriptors for workers and devices must remain (RLIMIT_NOFILE).
    size_t max_clients = 64;
    // Of the control socket. Apart, so that the agent tells how it is also when no other client finds room.
    size_t max_control_clients = kMaxControlClients;
  };

  // Lent for the life of this. `dispatcher` serves hosts, `control` the control socket. `open_device` asks for a channel's
  // device; OnDeviceOpened answers when it is there.
  ChannelServer(EventLoop& loop, RequestHandler& dispatcher, RequestHandler& control, const config::Config& config,
                Limits limits, OpenDevice open_device);
  ~ChannelServer() override;

  // The listening socket of a channel that listens. To be called before Start.
  void AddListener(uint32_t channel, transport::ListeningSocket listener);
  // Beside root, who may always, this user may use the control socket.
  void AllowControl(uint32_t uid) { control_uid_ = uid; }
  // Begins to serve.
  void Start();
  // Accepts and reads nothing more.
  void StopInput();
  // No request is under way and every reply has left.
  bool is_idle() const;

  void OnDeviceOpened(uint32_t channel, UniqueFd device);
  void OnDeviceFailed(uint32_t channel, std::string_view why);

  void OnConnectionGone(Client& client) override;
  void OnClientDone(Client& client) override;

  size_t client_count() const { return clients_.size(); }
  // One a channel, in the order of the configuration.
  std::vector<ChannelStatus> Statuses() const;

 private:
  struct Channel {
    std::optional<transport::ListeningSocket> listener;
    bool is_accepting = false;
    bool has_device = false;
    size_t client_count = 0;
    RunningTime opened_at{0};
    std::string last_failure;
  };

  bool IsDevice(uint32_t channel) const;
  bool IsControl(uint32_t channel) const;
  bool IsFull(uint32_t channel) const;
  size_t ShareOfEach() const;
  bool MayConnect(uint32_t channel, const Peer& peer) const;
  ChannelStatus StatusOf(uint32_t channel) const;
  void StartAccepting(uint32_t channel);
  void PauseAccepting(uint32_t channel);
  void OnListenerReady(uint32_t channel);
  bool AcceptOne(uint32_t channel);
  void ResumeAccepting();
  void AddClient(uint32_t channel, transport::Connection connection);
  void AskForDevice(uint32_t channel, std::chrono::nanoseconds delay);
  std::unique_ptr<ProtocolSession> MakeSession(uint32_t channel, ProtocolSession::Executor& executor) const;
  EventLoop::TimerId Later(std::chrono::nanoseconds delay, std::function<void()> what);

  EventLoop& loop_;
  RequestHandler& dispatcher_;
  RequestHandler& control_;
  const config::Config& config_;
  const Limits limits_;
  const MemoryBudget memory_;
  OpenDevice open_device_;
  std::vector<Channel> channels_;  // as Config::channels
  std::unique_ptr<uint8_t[]> read_buffer_;
  std::unordered_map<Client*, std::unique_ptr<Client>> clients_;
  size_t control_client_count_ = 0;
  uint32_t control_uid_ = 0;
  bool is_input_stopped_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for timers that outlive this
};

}  // namespace reeve::core
