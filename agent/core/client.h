#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "agent/core/asker.h"
#include "agent/core/memory_budget.h"
#include "agent/core/request_handler.h"
#include "agent/protocol_session.h"
#include "agent/transport/connection.h"
#include "base/event_loop.h"

namespace reeve::core {

// One connection with its session: bytes from the transport into the session, its requests to who handles them,
// replies back. Owned by the ChannelServer; outlives its connection until every request that it issued is answered. Not thread-safe.
class Client final : public ProtocolSession::Executor {
 public:
  // Who owns clients.
  class Owner {
   public:
    virtual ~Owner() = default;
    // The connection is gone; requests may still be under way.
    virtual void OnConnectionGone(Client& client) = 0;
    // And now nothing is: the client may be destroyed, but not within this call.
    virtual void OnClientDone(Client& client) = 0;
  };

  struct Parts {
    EventLoop& loop;
    RequestHandler& requests;
    Owner& owner;
    MemoryBudget memory;
    std::span<uint8_t> read_buffer;  // shared by all clients: nothing stays in it between calls
  };

  // The session of the channel's protocol.
  using MakeSession = std::function<std::unique_ptr<ProtocolSession>(ProtocolSession::Executor& executor)>;

  // The parts are lent for the life of this.
  Client(const Parts& parts, transport::Connection connection, uint32_t channel, std::string channel_name,
         const MakeSession& make_session);
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Begins to watch the connection.
  Status Start();
  // Takes no more input: the service stops. What is under way is answered.
  void StopInput();
  bool is_idle() const { return session_->is_idle() && session_->output().is_empty(); }
  uint32_t channel() const { return asker_.channel_index; }

  // From the session.
  void Execute(uint64_t token, Request request, RunningTime arrived) override;
  void Abandon(uint64_t token) override { parts_.requests.Abandon(asker_, token); }

 private:
  bool is_serial() const { return connection_->is_serial(); }
  void OnReady(uint32_t events);
  void OnTimer();
  bool OnAnswer(uint64_t token, Reply reply);
  void Turn();
  void Read();
  bool ReadOnce();
  void RefuseWhatIsTooMuch();
  void TakeEnd();
  void Write();
  bool IsOver() const;
  void Rewatch();
  void ArmTimer();
  void Lose();
  void NoteDone();

  const Parts parts_;
  Asker asker_;
  const std::unique_ptr<ProtocolSession> session_;
  std::optional<transport::Connection> connection_;  // none: gone
  uint32_t watched_events_ = 0;
  bool may_read_ = false;         // the transport said that there is something
  bool may_end_be_old_ = false;   // bytes were read, and it has not been quiet since
  bool has_input_ended_ = false;  // of a stream: its client writes no more
  bool is_input_stopped_ = false;
  bool is_blocked_ = false;      // the transport takes no output now
  bool is_reader_gone_ = false;  // of a stream: nobody will read any more
  bool is_broken_ = false;       // the connection failed: to be given up at the end of the turn
  bool is_in_turn_ = false;
  bool is_done_ = false;
  EventLoop::TimerId timer_ = 0;
  RunningTime timer_at_{0};
  EventLoop::TimerId again_ = 0;
};

}  // namespace reeve::core
