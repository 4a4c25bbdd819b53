#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "agent/config/config.h"
#include "agent/core/client.h"
#include "agent/transport/listening_socket.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace reeve::core {

// All channels of the configuration: accepts clients, keeps serial ports open, and owns what comes of both. Not
// thread-safe.
class ChannelServer final : public Client::Owner {
 public:
  using OpenDevice = std::function<void(uint32_t channel)>;

  struct Limits {
    // Beyond so many clients the next ones wait in the listening sockets. Descriptors for workers and devices must
    // remain (RLIMIT_NOFILE).
    size_t max_clients = 64;
  };

  // Lent for the life of this. `open_device` asks for a channel's device; OnDeviceOpened answers when it is there.
  ChannelServer(EventLoop& loop, RequestHandler& dispatcher, const config::Config& config, Limits limits,
                OpenDevice open_device);
  ~ChannelServer() override;

  // The listening socket of a channel that listens. To be called before Start.
  void AddListener(uint32_t channel, transport::ListeningSocket listener);
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

 private:
  struct Channel {
    std::optional<transport::ListeningSocket> listener;
    bool is_accepting = false;
    bool has_device = false;
    RunningTime opened_at{0};
    std::string last_failure;
  };

  bool IsDevice(uint32_t channel) const;
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
  const config::Config& config_;
  const Limits limits_;
  const MemoryBudget memory_;
  OpenDevice open_device_;
  std::vector<Channel> channels_;  // as Config::channels
  std::unique_ptr<uint8_t[]> read_buffer_;
  std::unordered_map<Client*, std::unique_ptr<Client>> clients_;
  bool is_input_stopped_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for timers that outlive this
};

}  // namespace reeve::core
