#include "agent/core/channel_server.h"

#include <algorithm>

#include "agent/core/control_commands.h"
#include "agent/qga/session.h"
#include "agent/reeve/session.h"
#include "agent/transport/serial_port.h"
#include "base/log.h"

namespace reeve::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// As much as a unix socket holds: one read takes all that a client has written. Not zeroed: pages that no client
// needs are never touched.
constexpr size_t kReadBufferBytes = 256 * 1024;
// A crowd at one listener must not starve the others.
constexpr int kMaxAcceptsPerTurn = 16;
// Without descriptors or memory a listener stays ready: looking away for a while is what keeps this from spinning.
constexpr seconds kAcceptPause{1};
// A device that is lost as soon as it is opened is not asked for more often than this.
constexpr seconds kReopenPause{1};
// After the warden could not open a device that is there; qemu-ga's own pause.
constexpr seconds kFailedDevicePause{5};

}  // namespace

ChannelServer::ChannelServer(EventLoop& loop, RequestHandler& dispatcher, RequestHandler& control,
                             const config::Config& config, Limits limits, OpenDevice open_device)
    : loop_(loop),
      dispatcher_(dispatcher),
      control_(control),
      config_(config),
      limits_(limits),
      memory_(config.core.limits.data_bytes),
      open_device_(std::move(open_device)),
      channels_(config.channels.size()),
      read_buffer_(std::make_unique_for_overwrite<uint8_t[]>(kReadBufferBytes)) {}

ChannelServer::~ChannelServer() {
  *alive_ = false;
  for (uint32_t i = 0; i < channels_.size(); ++i) PauseAccepting(i);
}

EventLoop::TimerId ChannelServer::Later(std::chrono::nanoseconds delay, std::function<void()> what) {
  return loop_.After(delay, [alive = alive_, what = std::move(what)] {
    if (*alive) what();
  });
}

bool ChannelServer::IsDevice(uint32_t channel) const {
  const config::Transport transport = config_.channels[channel].transport;
  return transport == config::Transport::kVirtioSerial || transport == config::Transport::kIsaSerial;
}

bool ChannelServer::IsControl(uint32_t channel) const {
  return config_.channels[channel].name == config::kControlChannel &&
         config_.channels[channel].protocol == config::Protocol::kReeve;
}

bool ChannelServer::IsFull(uint32_t channel) const {
  if (IsControl(channel)) return control_client_count_ >= limits_.max_control_clients;
  return channels_[channel].client_count >= ShareOfEach();
}

size_t ChannelServer::ShareOfEach() const {
  size_t listening = 0;
  for (uint32_t i = 0; i < channels_.size(); ++i) listening += channels_[i].listener && !IsControl(i) ? 1 : 0;
  return std::max<size_t>(1, limits_.max_clients / std::max<size_t>(1, listening));
}

bool ChannelServer::MayConnect(uint32_t channel, const Peer& peer) const {
  return !IsControl(channel) || MayControl(peer, control_uid_);
}

void ChannelServer::AddListener(uint32_t channel, transport::ListeningSocket listener) {
  channels_[channel].listener.emplace(std::move(listener));
}

void ChannelServer::Start() {
  for (uint32_t i = 0; i < channels_.size(); ++i) {
    if (config_.channels[i].protocol != config::Protocol::kQga && !IsControl(i)) {
      LogError("channel " + config_.channels[i].name + ": its protocol is not known to this build, it is not served");
      continue;
    }
    if (IsDevice(i)) open_device_(i);
    StartAccepting(i);
  }
}

void ChannelServer::StopInput() {
  is_input_stopped_ = true;
  for (uint32_t i = 0; i < channels_.size(); ++i) PauseAccepting(i);
  std::vector<Client*> clients;
  for (const auto& [client, owned] : clients_) clients.push_back(client);
  for (Client* client : clients) client->StopInput();
}

bool ChannelServer::is_idle() const {
  return std::ranges::all_of(clients_, [](const auto& entry) { return entry.first->is_idle(); });
}

// ---- listening channels ----

void ChannelServer::StartAccepting(uint32_t channel) {
  Channel& state = channels_[channel];
  if (!state.listener || state.is_accepting || is_input_stopped_) return;
  const Status watched =
      loop_.Watch(state.listener->fd(), EPOLLIN, [this, channel](uint32_t) { OnListenerReady(channel); });
  state.is_accepting = watched.has_value();
  if (!watched) LogError("channel " + config_.channels[channel].name + ": " + watched.error().message());
}

void ChannelServer::PauseAccepting(uint32_t channel) {
  Channel& state = channels_[channel];
  if (state.listener && state.is_accepting) loop_.Forget(state.listener->fd());
  state.is_accepting = false;
}

void ChannelServer::OnListenerReady(uint32_t channel) {
  for (int i = 0; i < kMaxAcceptsPerTurn; ++i) {
    if (IsFull(channel)) return PauseAccepting(channel);
    if (!AcceptOne(channel)) return;
  }
}

// Whether there may be another one.
bool ChannelServer::AcceptOne(uint32_t channel) {
  auto connection = channels_[channel].listener->Accept();
  if (connection) {
    if (MayConnect(channel, connection->peer())) AddClient(channel, std::move(*connection));
    return true;
  }
  if (connection.error().code() == Code::kUnavailable) return false;
  LogWarning("channel " + config_.channels[channel].name + ": " + connection.error().message());
  PauseAccepting(channel);
  Later(kAcceptPause, [this, channel] { StartAccepting(channel); });
  return false;
}

void ChannelServer::ResumeAccepting() {
  for (uint32_t i = 0; i < channels_.size(); ++i) {
    if (config_.channels[i].protocol == config::Protocol::kQga || IsControl(i)) StartAccepting(i);
  }
}

// ---- serial ports ----

void ChannelServer::AskForDevice(uint32_t channel, std::chrono::nanoseconds delay) {
  Later(delay, [this, channel] {
    if (!is_input_stopped_) open_device_(channel);
  });
}

void ChannelServer::OnDeviceOpened(uint32_t channel, UniqueFd device) {
  if (channel >= channels_.size() || !IsDevice(channel) || channels_[channel].has_device || is_input_stopped_) return;
  const auto medium = config_.channels[channel].transport == config::Transport::kVirtioSerial
                          ? transport::Medium::kVirtioPort
                          : transport::Medium::kTerminal;
  auto port = transport::SerialPort(std::move(device), medium);
  if (!port) return OnDeviceFailed(channel, port.error().message());
  channels_[channel].has_device = true;
  channels_[channel].opened_at = loop_.Now();
  channels_[channel].last_failure.clear();
  LogInfo("channel " + config_.channels[channel].name + ": " + config_.channels[channel].path + " is open");
  AddClient(channel, std::move(*port));
}

void ChannelServer::OnDeviceFailed(uint32_t channel, std::string_view why) {
  if (channel >= channels_.size() || !IsDevice(channel)) return;
  Channel& state = channels_[channel];
  if (state.last_failure != why) LogWarning("channel " + config_.channels[channel].name + ": " + std::string(why));
  state.last_failure = why;
  AskForDevice(channel, kFailedDevicePause);
}

// ---- how it stands ----

std::vector<ChannelStatus> ChannelServer::Statuses() const {
  std::vector<ChannelStatus> all;
  for (uint32_t i = 0; i < channels_.size(); ++i) all.push_back(StatusOf(i));
  return all;
}

ChannelStatus ChannelServer::StatusOf(uint32_t channel) const {
  using State = ChannelStatus::State;
  const Channel& known = channels_[channel];
  ChannelStatus status{
      .channel = channel, .state = State::kStopped, .client_count = known.client_count, .why = known.last_failure};
  if (is_input_stopped_) return status;
  if (known.has_device) {
    status.state = State::kOpen;
  } else if (!known.last_failure.empty()) {
    status.state = State::kFailed;
  } else if (IsDevice(channel)) {
    status.state = State::kWaiting;
  } else if (known.is_accepting) {
    status.state = State::kListening;
  } else if (known.listener && IsFull(channel)) {
    status.state = State::kFull;
  } else {
    status.state = State::kFailed;
    status.why = "it does not accept for now";
  }
  return status;
}

// ---- clients ----

std::unique_ptr<ProtocolSession> ChannelServer::MakeSession(uint32_t channel,
                                                            ProtocolSession::Executor& executor) const {
  if (IsControl(channel)) return std::make_unique<native::Session>(native::SessionOptions(), executor);
  qga::SessionOptions options;
  const uint32_t sync_timeout_ms = config_.channels[channel].sync_timeout_ms;
  options.sync_timeout = milliseconds(sync_timeout_ms);
  if (sync_timeout_ms == UINT32_MAX) options.sync_timeout.reset();
  options.is_serial = IsDevice(channel);
  return std::make_unique<qga::Session>(options, executor);
}

void ChannelServer::AddClient(uint32_t channel, transport::Connection connection) {
  RequestHandler& requests = IsControl(channel) ? control_ : dispatcher_;
  const Client::Parts parts{loop_, requests, *this, memory_, {read_buffer_.get(), kReadBufferBytes}};
  auto client = std::make_unique<Client>(parts, std::move(connection), channel, config_.channels[channel].name,
                                         [&](auto& executor) { return MakeSession(channel, executor); });
  const Status started = client->Start();
  if (!started) {
    LogError("channel " + config_.channels[channel].name + ": " + started.error().message());
    channels_[channel].has_device = false;
    if (IsDevice(channel)) AskForDevice(channel, kFailedDevicePause);
    return;
  }
  clients_.emplace(client.get(), std::move(client));
  ++channels_[channel].client_count;
  if (IsControl(channel)) ++control_client_count_;
}

void ChannelServer::OnConnectionGone(Client& client) {
  const uint32_t channel = client.channel();
  Channel& state = channels_[channel];
  if (!state.has_device) return;
  state.has_device = false;
  LogWarning("channel " + config_.channels[channel].name + ": " + config_.channels[channel].path +
             " is gone; it is waited for");
  const bool was_short = loop_.Now() - state.opened_at < kReopenPause;
  AskForDevice(channel, was_short ? std::chrono::nanoseconds(kReopenPause) : std::chrono::nanoseconds(0));
}

void ChannelServer::OnClientDone(Client& client) {
  Later(std::chrono::nanoseconds(0), [this, done = &client] {
    const uint32_t channel = done->channel();
    --channels_[channel].client_count;
    if (IsControl(channel)) --control_client_count_;
    clients_.erase(done);
    memory_.GiveBack();
    ResumeAccepting();
  });
}

}  // namespace reeve::core
