#include "agent/core/core.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "agent/core/testing.h"
#include "agent/wire/core_link.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::core {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// The whole core in this process, between a warden and clients that the test plays. No root, no file.
class CoreTest : public testing::Test {
 protected:
  void StartCore() {
    CoreSetup setup;
    setup.config = config_;
    auto sockets = sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK);
    REEVE_ASSERT_OK(sockets);
    warden_ = std::move(sockets->first);
    setup.warden = std::move(sockets->second);
    setup.limits.max_clients = max_clients_;
    if (config_.channels[0].transport == config::Transport::kUnixListen) {
      auto listener = transport::ListeningSocket::Create(Listen());
      REEVE_ASSERT_OK(listener);
      setup.listeners.emplace_back(0, std::move(*listener));
    }
    auto core = Core::Create(*loop_, clock_, std::move(setup));
    REEVE_ASSERT_OK(core);
    core_ = std::move(*core);
    ASSERT_THAT(core_->Start(), IsOk());
    EXPECT_EQ(FromCore().header.type, wire::Type::kHello);
    ToCore(wire::Type::kServe);
  }

  // ---- the warden's part ----
  wire::Packet FromCore() {
    Turn();
    auto packet = wire::Receive(warden_.get());
    return packet ? std::move(*packet) : wire::Packet{};
  }
  template <typename Payload>
  void ToCore(wire::Type type, const Payload& payload, std::span<const int> fds = {}) {
    wire::Header header;
    header.type = type;
    header.generation = config_.generation;
    ASSERT_THAT(wire::Send(warden_.get(), header, payload, {}, fds), IsOk());
    Turn();
  }
  void ToCore(wire::Type type) {
    wire::Header header;
    header.type = type;
    header.generation = config_.generation;
    ASSERT_THAT(wire::Send(warden_.get(), header, Bytes()), IsOk());
    Turn();
  }

  // ---- the clients' part ----
  UniqueFd Listen() {
    address_.sun_family = AF_UNIX;
    const std::string name = "reeve-core-test-" + std::to_string(::getpid());
    name.copy(address_.sun_path + 1, name.size());
    address_size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address_), address_size_), 0);
    EXPECT_EQ(::listen(fd.get(), 64), 0);
    return fd;
  }
  UniqueFd Connect() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address_), address_size_), 0);
    Turn();
    return fd;
  }
  void Turn(milliseconds by = milliseconds(0)) {
    clock_.Advance(by);
    for (int i = 0; i < 6; ++i) ASSERT_THAT(loop_->RunOnce(milliseconds(0)), IsOk());
  }
  std::string Ask(const UniqueFd& client, std::string_view text) {
    Say(client, text);
    return Hear(client);
  }
  void Say(const UniqueFd& client, std::string_view text) {
    ASSERT_EQ(::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    Turn();
  }
  // "<end>": the core has closed the connection.
  std::string Hear(const UniqueFd& client) {
    Turn();
    std::string heard;
    std::vector<char> buffer(1 << 20);
    while (true) {
      const ssize_t count = ::read(client.get(), buffer.data(), buffer.size());
      if (count == 0) return heard + "<end>";
      if (count < 0) return heard;
      heard.append(buffer.data(), static_cast<size_t>(count));
      Turn();
    }
  }

  FakeClock clock_;
  Result<EventLoop> loop_ = EventLoop::Create(clock_);
  config::Config config_ = testing_config::Open();
  size_t max_clients_ = 8;
  UniqueFd warden_;
  std::unique_ptr<Core> core_;
  sockaddr_un address_{};
  socklen_t address_size_ = 0;
};

constexpr std::string_view kPing = "{\"execute\":\"guest-ping\"}\n";
constexpr std::string_view kPong = "{\"return\": {}}\n";

TEST_F(CoreTest, AnswersPingSyncAndInfo) {
  StartCore();
  const UniqueFd client = Connect();
  EXPECT_EQ(Ask(client, "{\"execute\":\"guest-ping\",\"id\":[1,\"x\"]}"), "{\"return\": {}, \"id\": [1, \"x\"]}\n");
  EXPECT_EQ(Ask(client, "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":77}}\n"),
            "\xFF{\"return\": 77}\n");
  EXPECT_THAT(Ask(client, "{\"execute\":\"guest-info\"}"), HasSubstr("\"name\": \"guest-exec\""));
}

TEST_F(CoreTest, ReadsNothingBeforeTheWardenHasCheckedIt) {
  StartCore();
  core_.reset();
  CoreSetup setup;
  setup.config = config_;
  auto sockets = sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK);
  setup.warden = std::move(sockets->second);
  setup.listeners.emplace_back(0, std::move(*transport::ListeningSocket::Create(Listen())));
  core_ = std::move(*Core::Create(*loop_, clock_, std::move(setup)));
  ASSERT_THAT(core_->Start(), IsOk());
  const UniqueFd client = Connect();
  EXPECT_EQ(Ask(client, kPing), "");
  warden_ = std::move(sockets->first);
  EXPECT_EQ(FromCore().header.type, wire::Type::kHello);
  ToCore(wire::Type::kServe);
  EXPECT_EQ(Hear(client), kPong);
}

TEST_F(CoreTest, HundredRequestsInOneWriteGetAHundredRepliesInOrder) {
  StartCore();
  const UniqueFd client = Connect();
  std::string requests, replies;
  for (int i = 0; i < 100; ++i) {
    requests += "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":" + std::to_string(i) + "}}";
    replies += "{\"return\": " + std::to_string(i) + "}\n";
  }
  EXPECT_EQ(Ask(client, requests), replies);
}

TEST_F(CoreTest, HalfARequestOfAClientThatLeftIsNotTheNextOnes) {
  StartCore();
  UniqueFd first = Connect();
  Say(first, "{\"execute\":\"guest-pi");
  first.Reset();
  const UniqueFd second = Connect();
  EXPECT_EQ(Ask(second, kPing), kPong);
}

TEST_F(CoreTest, GarbageGetsErrorsAndHarmsNobody) {
  StartCore();
  const UniqueFd bad = Connect(), good = Connect();
  EXPECT_THAT(Ask(bad, "\xff\x01@{]}\n"), HasSubstr("JSON parse error"));
  EXPECT_EQ(Ask(bad, kPing), kPong);
  EXPECT_EQ(Ask(good, kPing), kPong);
}

TEST_F(CoreTest, ClientThatLeavesWithUnreadRepliesHarmsNobody) {
  StartCore();
  for (int i = 0; i < 20; ++i) {
    UniqueFd rude = Connect();
    Say(rude, kPing);
    rude.Reset();
    Turn();
  }
  EXPECT_EQ(Ask(Connect(), kPing), kPong);
}

TEST_F(CoreTest, ClientThatOnlyEndedItsSideStillGetsItsReplyAndThenTheEnd) {
  StartCore();
  const UniqueFd client = Connect();
  Say(client, "{\"execute\":\"guest-get-osinfo\"}");
  ASSERT_EQ(::shutdown(client.get(), SHUT_WR), 0);
  EXPECT_EQ(Hear(client), "");
  EXPECT_EQ(FromCore().header.type, wire::Type::kStartWorker);
  wire::Header header;
  header.type = wire::Type::kWorkerEnded;
  header.generation = config_.generation;
  ASSERT_THAT(wire::Send(warden_.get(), header, wire::WorkerEnded{0, 1, 0, 3}, "why"), IsOk());
  EXPECT_THAT(Hear(client), HasSubstr("worker exec could not be started: why\"}}\n<end>"));
}

TEST_F(CoreTest, ManyClientsAreServedAndThoseBeyondTheLimitWaitForTheirTurn) {
  StartCore();
  std::vector<UniqueFd> clients;
  for (size_t i = 0; i < max_clients_ + 4; ++i) clients.push_back(Connect());
  for (size_t i = 0; i < max_clients_; ++i) EXPECT_EQ(Ask(clients[i], kPing), kPong) << i;
  EXPECT_EQ(Ask(clients.back(), kPing), "");
  clients.erase(clients.begin(), clients.begin() + 4);
  EXPECT_EQ(Hear(clients.back()), kPong);
}

TEST_F(CoreTest, ClientThatDoesNotReadIsNotReadEitherAndThenDisconnected) {
  StartCore();
  const UniqueFd client = Connect(), other = Connect();
  const std::string flood = [] {
    std::string text;
    for (int i = 0; i < 4000; ++i) text += "{\"execute\":\"guest-info\"}";
    return text;
  }();
  size_t taken = 0;
  for (int i = 0; i < 400; ++i) {
    const ssize_t count = ::send(client.get(), flood.data(), flood.size(), MSG_NOSIGNAL);
    if (count > 0) taken += static_cast<size_t>(count);
    Turn();
  }
  EXPECT_LT(taken, 8u << 20);  // the core stopped reading
  EXPECT_EQ(Ask(other, kPing), kPong);
  Turn(milliseconds(29'000));
  EXPECT_EQ(::send(client.get(), "{", 1, MSG_NOSIGNAL) < 0 ? errno : 0, EAGAIN);  // still there
  Turn(milliseconds(2'000));
  EXPECT_EQ(::send(client.get(), "{", 1, MSG_NOSIGNAL) < 0 ? errno : 0, EPIPE);
  EXPECT_EQ(Ask(other, kPing), kPong);
}

TEST_F(CoreTest, SyncOvertakesACommandThatHangs) {
  StartCore();
  const UniqueFd client = Connect();
  EXPECT_EQ(Ask(client, "{\"execute\":\"guest-get-osinfo\"}{\"execute\":\"guest-sync\",\"arguments\":{\"id\":5}}"), "");
  Turn(milliseconds(499));
  EXPECT_EQ(Hear(client), "");
  Turn(milliseconds(1));
  EXPECT_EQ(Hear(client), "{\"return\": 5}\n");
}

TEST_F(CoreTest, EndsWithTheWardenAndAtItsFirstWrongMessage) {
  StartCore();
  EXPECT_FALSE(core_->was_lost());
  ToCore(wire::Type::kAnnounce);  // out of turn
  EXPECT_TRUE(core_->was_lost());
}

TEST_F(CoreTest, StopAnswersWhatIsUnderWayAndEnds) {
  StartCore();
  const UniqueFd client = Connect();
  Say(client, "{\"execute\":\"guest-get-osinfo\"}");
  ToCore(wire::Type::kStopping);
  Say(client, kPing);
  Turn(milliseconds(2000));
  Turn(milliseconds(100));
  EXPECT_EQ(Hear(client), "");        // nothing new is read
  EXPECT_THAT(loop_->Run(), IsOk());  // returns: the loop was stopped
  EXPECT_FALSE(core_->was_lost());
}

// A pseudo terminal plays the port.
class SerialCoreTest : public CoreTest {
 protected:
  void SetUp() override {
    config_.channels[0].transport = config::Transport::kIsaSerial;
    config_.channels[0].path = "/dev/ttyS0";
    StartCore();
    EXPECT_EQ(FromCore().header.type, wire::Type::kOpenDevice);
  }
  void OpenPort() {
    host_ = UniqueFd(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!host_ || ::grantpt(host_.get()) < 0 || ::unlockpt(host_.get()) < 0) GTEST_SKIP() << "no pseudo terminals";
    auto line = sys::Open(::ptsname(host_.get()), O_RDWR | O_NOCTTY);
    REEVE_ASSERT_OK(line);
    termios settings{};
    ::tcgetattr(line->get(), &settings);
    ::cfmakeraw(&settings);
    ::tcsetattr(line->get(), TCSANOW, &settings);
    const int fds[] = {line->get()};
    ToCore(wire::Type::kDeviceOpened, wire::ChannelNumber{0, 0}, fds);
  }
  std::string AskPort(std::string_view text) {
    EXPECT_EQ(::write(host_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    // The kernel passes a terminal's bytes on by a thread of its own.
    pollfd host{host_.get(), POLLIN, 0};
    for (int i = 0; i < 500 && ::poll(&host, 1, 10) == 0; ++i) Turn();
    std::array<char, 4096> buffer;
    const ssize_t count = ::read(host_.get(), buffer.data(), buffer.size());
    return count > 0 ? std::string(buffer.data(), static_cast<size_t>(count)) : "";
  }
  UniqueFd host_;
};

TEST_F(SerialCoreTest, ServesThePortThatTheWardenOpened) {
  OpenPort();
  EXPECT_EQ(AskPort(kPing), kPong);
  EXPECT_EQ(AskPort(kPing), kPong);
}

TEST_F(SerialCoreTest, LostDeviceIsAskedForAgainButNotInALoop) {
  OpenPort();
  host_.Reset();
  Turn();
  EXPECT_NE(FromCore().header.type, wire::Type::kOpenDevice);
  Turn(milliseconds(1000));
  EXPECT_EQ(FromCore().header.type, wire::Type::kOpenDevice);
  OpenPort();
  EXPECT_EQ(AskPort(kPing), kPong);
}

TEST_F(SerialCoreTest, FailedDeviceIsAskedForAgainAfterAPause) {
  wire::Header header;
  header.type = wire::Type::kDeviceFailed;
  header.generation = config_.generation;
  ASSERT_THAT(wire::Send(warden_.get(), header, wire::ChannelNumber{0, 0}, "busy"), IsOk());
  EXPECT_NE(FromCore().header.type, wire::Type::kOpenDevice);
  Turn(milliseconds(5000));
  EXPECT_EQ(FromCore().header.type, wire::Type::kOpenDevice);
}

}  // namespace
}  // namespace reeve::core
