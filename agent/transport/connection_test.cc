#include "agent/transport/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::transport {
namespace {

class ConnectionTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = sys::SocketPair(SOCK_STREAM | SOCK_NONBLOCK);
    REEVE_ASSERT_OK(pair);
    client_ = std::move(pair->first);
    connection_.emplace(std::move(pair->second), Medium::kStream, Peer{Peer::Kind::kUnix, 7, 0});
  }
  std::array<uint8_t, 64> buffer_{};
  UniqueFd client_;
  std::optional<Connection> connection_;
};

TEST_F(ConnectionTest, ReadsWhatTheClientSentAndThenSaysThatThereIsNothing) {
  ASSERT_THAT(sys::WriteAll(client_.get(), AsBytes("abc")), IsOk());
  EXPECT_EQ(*connection_->Read(buffer_), 3u);
  EXPECT_THAT(connection_->Read(buffer_), FailsWith(Code::kUnavailable));
}

TEST_F(ConnectionTest, EndOfStreamIsZero) {
  client_.Reset();
  EXPECT_EQ(*connection_->Read(buffer_), 0u);
}

TEST_F(ConnectionTest, ClientThatLeftWithUnreadDataIsClosedAndNothingWorse) {
  ByteQueue queue;
  queue.Append("a reply that nobody reads");
  ASSERT_THAT(connection_->Write(queue), IsOk());
  client_.Reset();
  EXPECT_THAT(connection_->Read(buffer_), FailsWith(Code::kClosed));  // ECONNRESET
  EXPECT_THAT(connection_->Write(queue), FailsWith(Code::kClosed));   // EPIPE, without the signal
}

TEST_F(ConnectionTest, WritesSeveralBlocksInOneCall) {
  ByteQueue queue, second;
  queue.Append("first ");
  second.Append("second");
  queue.Splice(std::move(second));
  EXPECT_EQ(*connection_->Write(queue), 12u);
  EXPECT_EQ(*sys::Read(client_.get(), buffer_), 12u);
}

TEST_F(ConnectionTest, SaysThatAFullSocketTakesNothing) {
  ByteQueue queue;
  queue.Append(std::string(4 << 20, 'x'));
  Result<size_t> written = 0;
  while ((written = connection_->Write(queue))) queue.Consume(*written);
  EXPECT_THAT(written, FailsWith(Code::kUnavailable));
  EXPECT_FALSE(queue.is_empty());
}

TEST_F(ConnectionTest, WatchesOnlyForWhatIsWanted) {
  EXPECT_EQ(connection_->Events(true, false), uint32_t{EPOLLIN | EPOLLRDHUP});
  EXPECT_EQ(connection_->Events(false, true), uint32_t{EPOLLOUT});
  EXPECT_EQ(connection_->Events(false, false), 0u);
}

}  // namespace
}  // namespace reeve::transport
