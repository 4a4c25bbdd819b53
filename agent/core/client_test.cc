#include "agent/core/client.h"

#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "agent/qga/session.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::core {
namespace {

using testing::IsEmpty;

constexpr char kPing[] = "{\"execute\":\"guest-ping\"}\n";
// More replies than a socket takes that nobody reads.
constexpr size_t kManyPings = 2000;

// A port is played by a socket whose packets may be empty: an empty one reads as the port's "nobody is there".
class ClientTest : public testing::Test, public RequestHandler, public Client::Owner {
 protected:
  ClientTest() : loop_(*EventLoop::Create(clock_)), buffer_(64 * 1024) {
    auto sockets = std::move(*sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK));
    host_ = std::move(sockets.first);
    qga::SessionOptions options;
    options.is_serial = true;
    client_.emplace(Client::Parts{loop_, *this, *this, MemoryBudget(0), buffer_},
                    transport::Connection(std::move(sockets.second), transport::Medium::kVirtioPort, Peer{}), 0, "host",
                    [options](auto& executor) { return std::make_unique<qga::Session>(options, executor); });
    EXPECT_THAT(client_->Start(), IsOk());
  }

  void Dispatch(Asker&, Request, RunningTime, OnReply on_reply) override { asked_.push_back(std::move(on_reply)); }
  void OnConnectionGone(Client&) override { ADD_FAILURE() << "the port was given up"; }
  void OnClientDone(Client&) override {}

  void Say(std::string_view bytes) {
    ASSERT_EQ(::send(host_.get(), bytes.data(), bytes.size(), 0), ssize_t(bytes.size()));
  }
  void HangUp() { Say(""); }
  void Turn() {
    for (int i = 0; i < 4; ++i) REEVE_ASSERT_OK(loop_.RunOnce(std::chrono::milliseconds(0)));
  }
  // The oldest that was asked is answered.
  void Answer(const char* json) {
    ASSERT_FALSE(asked_.empty());
    const OnReply on_reply = std::move(asked_.front());
    asked_.erase(asked_.begin());
    on_reply(Reply::Return(json));
  }
  std::string Heard() {
    std::string bytes(256 * 1024, '\0');
    const ssize_t count = ::recv(host_.get(), bytes.data(), bytes.size(), 0);
    return bytes.substr(0, count < 0 ? 0 : static_cast<size_t>(count));
  }

  // Until the port takes no more, and some replies stand unwritten.
  void FillThePort() {
    for (size_t i = 0; i < kManyPings; ++i) {
      Say(kPing);
      Turn();
      Answer("{}");
    }
    ASSERT_FALSE(client_->is_idle());
  }
  size_t CountReplies() {
    size_t count = 0;
    for (int quiet = 0; quiet < 3; Turn()) {
      const std::string heard = Heard();
      quiet = heard.empty() ? quiet + 1 : 0;
      count += static_cast<size_t>(std::ranges::count(heard, '\n'));
    }
    return count;
  }

  FakeClock clock_;
  EventLoop loop_;
  std::vector<uint8_t> buffer_;
  UniqueFd host_;
  std::vector<OnReply> asked_;
  std::optional<Client> client_;
};

// Whether what stood unwritten went with the host: a reply that was given is not to be lost by word of an earlier one's end.
TEST_F(ClientTest, AnEndThatIsSeenAfterTheNextHostsFirstBytesDropsNoReplies) {
  FillThePort();
  Say(kPing);
  HangUp();
  Turn();
  Answer("{}");
  EXPECT_EQ(CountReplies(), kManyPings + 1);
}

TEST_F(ClientTest, AnEndAfterAPauseDropsWhatStoodUnwritten) {
  FillThePort();
  HangUp();
  Turn();
  EXPECT_LT(CountReplies(), kManyPings);
}

// Its host may have been read before word came of the one before it: only what stands unwritten is dropped.
TEST_F(ClientTest, AnEndAfterAPauseDropsNoReplyThatIsYetToCome) {
  Say(kPing);
  Turn();
  HangUp();
  Turn();
  Answer("{}");
  EXPECT_EQ(CountReplies(), 1u);
}

TEST_F(ClientTest, HalfARequestEndsASecondAfterItsHost) {
  Say("{\"execute\":\"guest-");
  HangUp();
  Turn();
  clock_.Advance(std::chrono::seconds(1));
  Turn();
  Say(kPing);
  Turn();
  EXPECT_EQ(asked_.size(), 1u);
  Answer("{}");
  EXPECT_EQ(Heard(), "{\"return\": {}}\n");
}

TEST_F(ClientTest, APortIsServedOnAfterManyHostsHaveLeft) {
  for (int i = 0; i < 10; ++i) {
    Say(kPing);
    Turn();
    Answer("{}");
    EXPECT_EQ(Heard(), "{\"return\": {}}\n");
    HangUp();
    Turn();
  }
  EXPECT_THAT(asked_, IsEmpty());
}

}  // namespace
}  // namespace reeve::core
