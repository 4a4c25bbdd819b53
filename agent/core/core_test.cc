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
#include "agent/wire/ring.h"
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
    if (config_.channels.back().name == config::kControlChannel) {
      auto listener = transport::ListeningSocket::Create(Listen(control_));
      REEVE_ASSERT_OK(listener);
      setup.listeners.emplace_back(static_cast<uint32_t>(config_.channels.size() - 1), std::move(*listener));
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
  struct Address {
    explicit Address(std::string_view what) {
      const std::string name = "reeve-core-test-" + std::string(what) + std::to_string(::getpid());
      value.sun_family = AF_UNIX;
      name.copy(value.sun_path + 1, name.size());
      size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&value); }
    sockaddr_un value{};
    socklen_t size = 0;
  };
  UniqueFd Listen() { return Listen(host_address_); }
  UniqueFd Listen(const Address& address) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(fd.get(), address.get(), address.size), 0);
    EXPECT_EQ(::listen(fd.get(), 64), 0);
    return fd;
  }
  UniqueFd Connect() { return Connect(host_address_); }
  UniqueFd Connect(const Address& address) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(::connect(fd.get(), address.get(), address.size), 0);
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
  const Address host_address_{"host-"};
  const Address control_{"control-"};
};

// What this process logs.
class Logged final : public LogSink {
 public:
  Logged() { SetLogSink(this); }
  ~Logged() override { SetLogSink(nullptr); }
  void Write(Severity, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
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

TEST_F(CoreTest, WhatTheCoreBeforeHeldWhileFrozenIsSaidToBeLost) {
  StartCore();
  const Logged log;
  ToCore(wire::Type::kStillFrozen, wire::Hold{1});
  EXPECT_THAT(log.lines, testing::IsEmpty());  // this one holds its own as well
  ToCore(wire::Type::kStillFrozen, wire::Hold{0});
  EXPECT_THAT(log.lines, testing::Contains(HasSubstr("what it held of log and audit is lost")));
}

// Whoever has taken over the freezing plugin may say whatever it likes of what it holds.
TEST_F(CoreTest, AFreezeThatBeginsAndEndsWithoutPauseFillsNoLog) {
  StartCore();
  auto sockets = sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK);
  REEVE_ASSERT_OK(sockets);
  const UniqueFd to = *wire::MakeRing(wire::kRingBytes), from = *wire::MakeRing(wire::kRingBytes);
  const int fds[] = {sockets->first.get(), to.get(), from.get()};
  ToCore(wire::Type::kWorkerStarted, wire::WorkerStarted{1, testing_config::kFreezePlugin, 2, wire::kRingBytes}, fds);
  const auto hold = [&](uint64_t held) {
    const wire::Header header{.type = wire::Type::kHold, .generation = config_.generation};
    ASSERT_THAT(wire::Send(sockets->second.get(), header, wire::Hold{held}), IsOk());
    Turn();
  };
  wire::Hello hello;
  std::ranges::copy(wire::BuildId(), hello.build_id);
  const wire::Header header{.type = wire::Type::kHello, .generation = config_.generation};
  ASSERT_THAT(wire::Send(sockets->second.get(), header, hello), IsOk());
  const Logged log;
  for (int i = 0; i < 1000; ++i) {
    hold(1);
    hold(0);
  }
  EXPECT_THAT(log.lines, testing::SizeIs(testing::AllOf(testing::Ge(10u), testing::Le(100u))));
  clock_.Advance(std::chrono::minutes(1));
  hold(1);
  hold(0);
  EXPECT_THAT(log.lines.back(), HasSubstr("file systems are thawed after"));
}

TEST_F(CoreTest, ANoteOfARunForNoRequestThatNamesNothingOfOursEndsNothing) {
  StartCore();
  for (const uint32_t plugin : {1u, 1000u})
    ToCore(wire::Type::kStandingRun, wire::StandingRun{.program = 1, .plugin = plugin, .rule = 7, .kind = 99});
  EXPECT_EQ(Ask(Connect(), kPing), kPong);
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

// With a control socket, whose client runs as the user that the warden named.
class ControlCoreTest : public CoreTest {
 protected:
  void SetUp() override {
    config_.channels.push_back({.name = config::kControlChannel,
                                .protocol = config::Protocol::kReeve,
                                .transport = config::Transport::kUnixListen,
                                .path = "/run/reeve/control"});
    StartCore();
    const auto [head, texts] = wire::Encode({.warden_pid = 4711, .warden_uid = ::getuid(), .last_core_end = "fell"});
    wire::Header header;
    header.type = wire::Type::kStatusFacts;
    header.generation = config_.generation;
    ASSERT_THAT(wire::Send(warden_.get(), header, head, texts), IsOk());
    Turn();
  }
};

constexpr std::string_view kStatus = "{\"execute\":\"reeve-status\",\"id\":1}";

TEST_F(ControlCoreTest, TellsHowTheAgentStandsWithWhatTheWardenKnows) {
  const std::string heard = Ask(Connect(control_), kStatus);
  EXPECT_THAT(heard, HasSubstr("{\"name\": \"reeved\", \"pid\": 4711, "));
  EXPECT_THAT(heard, HasSubstr("\"last-end\": \"fell\""));
  EXPECT_THAT(heard, HasSubstr("\"name\": \"control\", \"protocol\": \"reeve\""));
  EXPECT_THAT(heard, HasSubstr("\"name\": \"fsfreeze\""));
  EXPECT_TRUE(heard.ends_with(", \"id\": 1}\n"));
}

TEST_F(ControlCoreTest, OffersHostsNoStatusAndItsOwnClientsNoCommandOfHosts) {
  EXPECT_THAT(Ask(Connect(), "{\"execute\":\"reeve-status\"}"), HasSubstr("reeve-status has not been found"));
  EXPECT_THAT(Ask(Connect(control_), kPing), HasSubstr("guest-ping has not been found"));
  EXPECT_THAT(Ask(Connect(control_), "{\"execute\":\"reeve-status\",\"arguments\":{\"x\":1}}"),
              HasSubstr("Parameter 'x' is unexpected"));
}

TEST_F(ControlCoreTest, TellsWhenNoOtherClientFindsRoom) {
  std::vector<UniqueFd> clients;
  for (size_t i = 0; i < max_clients_ + 2; ++i) clients.push_back(Connect());
  EXPECT_EQ(Ask(clients.back(), kPing), "");
  EXPECT_THAT(Ask(Connect(control_), kStatus), HasSubstr("\"state\": \"full\", \"clients\": 8"));
}

TEST_F(ControlCoreTest, ItsClientsTakeNoRoomOfHostsAndWaitForTheirOwn) {
  std::vector<UniqueFd> clients;
  for (size_t i = 0; i < kMaxControlClients + 1; ++i) clients.push_back(Connect(control_));
  EXPECT_EQ(Ask(clients.back(), kStatus), "");
  std::vector<UniqueFd> hosts;
  for (size_t i = 0; i < max_clients_; ++i) hosts.push_back(Connect());
  for (const UniqueFd& host : hosts) EXPECT_EQ(Ask(host, kPing), kPong);
  clients.erase(clients.begin());
  EXPECT_THAT(Hear(clients.back()), HasSubstr("\"state\": \"running\""));
}

TEST_F(ControlCoreTest, ARequestWithoutEndTakesNoMemoryAndHarmsNobody) {
  const UniqueFd client = Connect(control_);
  Say(client, "{\"execute\":\"");
  const std::string piece(64 * 1024, 'x');
  for (int i = 0; i < 1024; ++i) Say(client, piece);
  EXPECT_THAT(Hear(client), HasSubstr("a request is longer than 65536 bytes"));
  EXPECT_EQ(Ask(Connect(), kPing), kPong);
  EXPECT_THAT(Ask(Connect(control_), kStatus), HasSubstr("\"id\": 1}"));
}

TEST_F(ControlCoreTest, MalformedFactsOfTheWardenEndTheCore) {
  ToCore(wire::Type::kStatusFacts);
  EXPECT_TRUE(core_->was_lost());
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
