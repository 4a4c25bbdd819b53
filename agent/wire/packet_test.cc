#include "agent/wire/packet.h"

#include <sys/socket.h>

#include <cstring>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::wire {
namespace {

class PacketTest : public testing::Test {
 protected:
  void SetUp() override {
    auto sockets = sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK);
    REEVE_ASSERT_OK(sockets);
    ours_ = std::move(sockets->first);
    theirs_ = std::move(sockets->second);
  }
  // Sends a header with these changes and `payload`, as a hostile peer would.
  void SendRaw(const Header& header, std::string_view payload) {
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    bytes += payload;
    ASSERT_EQ(::send(theirs_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }

  UniqueFd ours_, theirs_;
};

TEST_F(PacketTest, CarriesHeaderPayloadTailAndDescriptors) {
  Header header{.type = Type::kRefused, .generation = 7, .request_id = 9, .deadline_ms = 11};
  const int fd = theirs_.get();
  REEVE_ASSERT_OK(Send(theirs_.get(), header, Refused{.error_number = 13, .text_bytes = 2}, "no", {&fd, 1}));
  auto packet = Receive(ours_.get());
  REEVE_ASSERT_OK(packet);
  EXPECT_EQ(packet->header.type, Type::kRefused);
  EXPECT_EQ(packet->header.generation, 7u);
  EXPECT_EQ(packet->header.request_id, 9u);
  EXPECT_EQ(packet->header.deadline_ms, 11u);
  EXPECT_EQ(packet->fds.size(), 1u);
  Bytes tail;
  auto refused = packet->Read<Refused>(&tail);
  REEVE_ASSERT_OK(refused);
  EXPECT_EQ(refused->error_number, 13u);
  EXPECT_EQ(AsText(tail), "no");
}

TEST_F(PacketTest, SaysWhenThereIsNothingAndWhenThePeerIsGone) {
  EXPECT_THAT(Receive(ours_.get()), FailsWith(Code::kUnavailable));
  theirs_.Reset();
  EXPECT_THAT(Receive(ours_.get()), FailsWith(Code::kClosed));
  EXPECT_THAT(Send(ours_.get(), Header{}, Bytes{}), FailsWith(Code::kClosed));
}

TEST_F(PacketTest, RefusesWhatDoesNotBeginAsAMessage) {
  SendRaw(Header{.magic = kMagic + 1, .type = Type::kHello}, "");
  EXPECT_THAT(Receive(ours_.get()), FailsWith(Code::kBadMessage));
}

TEST_F(PacketTest, RefusesAReservedFieldThatIsSet) {
  SendRaw(Header{.type = Type::kHello, .reserved = 1}, "");
  EXPECT_THAT(Receive(ours_.get()), FailsSaying("reserved"));
}

TEST_F(PacketTest, RefusesALengthThatIsNotTheMessages) {
  SendRaw(Header{.type = Type::kHello, .payload_bytes = 5}, "four");
  EXPECT_THAT(Receive(ours_.get()), FailsSaying("not as long"));
  SendRaw(Header{.type = Type::kHello, .payload_bytes = UINT32_MAX}, "four");
  EXPECT_THAT(Receive(ours_.get()), FailsSaying("not as long"));
}

TEST_F(PacketTest, RefusesAMessageShorterThanItsHeader) {
  ASSERT_EQ(::send(theirs_.get(), "RRV1", 4, 0), 4);
  EXPECT_THAT(Receive(ours_.get()), FailsSaying("shorter than its header"));
}

TEST_F(PacketTest, RefusesAMessageLongerThanAnyMayBe) {
  const std::string payload(kMaxMessageBytes, 'x');
  SendRaw(Header{.type = Type::kHello, .payload_bytes = kMaxMessageBytes}, payload);
  EXPECT_THAT(Receive(ours_.get()), FailsWith(Code::kBadMessage));
  EXPECT_THAT(Send(ours_.get(), Header{}, AsBytes(payload)), FailsWith(Code::kTooLarge));
}

TEST_F(PacketTest, APayloadMustBeAsLongAsItsStruct) {
  SendRaw(Header{.type = Type::kHold, .payload_bytes = 7}, "1234567");
  EXPECT_THAT(Receive(ours_.get())->Read<Hold>(), FailsSaying("shorter"));
  SendRaw(Header{.type = Type::kHold, .payload_bytes = 9}, "123456789");
  EXPECT_THAT(Receive(ours_.get())->Read<Hold>(), FailsSaying("longer"));
}

TEST(BuildIdTest, IsNotAllZeros) {
  const std::string id(reinterpret_cast<const char*>(BuildId()), kBuildIdBytes);
  EXPECT_NE(id, std::string(kBuildIdBytes, '\0'));
}

}  // namespace
}  // namespace reeve::wire
