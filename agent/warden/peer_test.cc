#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <deque>

#include "agent/warden/core_peer.h"
#include "agent/warden/worker_peer.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::warden {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using wire::Type;

constexpr uint64_t kGeneration = 5;

wire::Hello OurHello() {
  wire::Hello hello;
  std::memcpy(hello.build_id, wire::BuildId(), sizeof hello.build_id);
  return hello;
}

// The other side of a socket: says what a core or worker would, or what it should not.
class Speaker {
 public:
  explicit Speaker(UniqueFd socket) : socket_(std::move(socket)) {}

  template <typename Payload>
  void Say(Type type, const Payload& payload, std::string_view tail = {}, uint64_t request_id = 0) {
    wire::Header header;
    header.type = type;
    header.generation = generation;
    header.request_id = request_id;
    ASSERT_THAT(wire::Send(socket_.get(), header, payload, tail, fds), IsOk());
  }
  void Say(Type type) {
    wire::Header header;
    header.type = type;
    header.generation = generation;
    ASSERT_THAT(wire::Send(socket_.get(), header, Bytes(), {}, fds), IsOk());
  }
  void SayRaw(std::string_view bytes) {
    ASSERT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), 0), ssize_t(bytes.size()));
  }
  // The types of all that was answered; "closed" ends the list.
  std::vector<std::string> Heard() {
    std::vector<std::string> heard;
    while (true) {
      Result<wire::Packet> packet = wire::Receive(socket_.get());
      if (!packet && packet.error().code() == Code::kUnavailable) return heard;
      if (!packet) return heard.push_back("closed"), heard;
      heard.push_back(std::to_string(static_cast<int>(packet->header.type)));
      last = std::move(*packet);
    }
  }

  uint64_t generation = kGeneration;
  std::vector<int> fds;
  wire::Packet last;

 private:
  UniqueFd socket_;
};

std::string Number(Type type) {
  return std::to_string(static_cast<int>(type));
}

class PeerTest : public testing::Test {
 protected:
  PeerTest() : loop_(*EventLoop::Create(clock_)) {}
  void Turn() {
    for (int i = 0; i < 5; ++i) REEVE_ASSERT_OK(loop_.RunOnce(std::chrono::milliseconds(0)));
  }
  FakeClock clock_;
  EventLoop loop_;
};

class FakeWorkerServices : public WorkerServices {
 public:
  Status CheckWorker(uint32_t, sandbox::Stage stage) override {
    events.push_back(stage == sandbox::Stage::kLoad ? "check load" : "check run");
    return check;
  }
  void OnOtherBuild() override { events.push_back("other build"); }
  void OnWorkerReady(uint32_t) override { events.push_back("ready"); }
  Status OnWorkerHolds(uint32_t worker, uint64_t held) override {
    events.push_back(std::to_string(worker) + " holds " + std::to_string(held));
    return holds;
  }
  Status OnWorkerQuiesces(uint32_t worker) override {
    events.push_back(std::to_string(worker) + " quiesces");
    return holds;
  }
  void OnWorkerLost(uint32_t worker, const std::string& why) override {
    events.push_back("lost " + std::to_string(worker));
    why_lost = why;
  }
  void OpenPath(uint32_t, uint64_t, OpenAsk ask, OnOpened on_opened) override {
    opens.push_back(std::move(ask));
    on_opened_calls.push_back(std::move(on_opened));
  }
  void RunProgram(uint32_t, uint64_t, ProgramAsk ask, OnStarted) override { programs.push_back(std::move(ask)); }
  Granted<void> SignalProgram(uint32_t, uint64_t program, int signal) override {
    events.push_back("signal " + std::to_string(program) + " " + std::to_string(signal));
    return {};
  }

  Status check;
  Status holds;
  std::vector<std::string> events;
  std::string why_lost;
  std::vector<OpenAsk> opens;
  std::vector<OnOpened> on_opened_calls;
  std::vector<ProgramAsk> programs;
};

class WorkerPeerTest : public PeerTest {
 protected:
  WorkerPeerTest() : WorkerPeerTest(*sys::SocketPair(SOCK_SEQPACKET)) {}
  explicit WorkerPeerTest(sys::TwoFds sockets)
      : worker_(std::move(sockets.second)),
        peer_(loop_, std::move(sockets.first), kGeneration, 3, {"b", "a"}, services_) {
    EXPECT_THAT(peer_.Start({}), IsOk());
  }
  void SayReady(std::string names = std::string("a\0b\0", 4), uint32_t count = 2) {
    worker_.Say(Type::kReady, wire::Ready{1, 0, count, static_cast<uint32_t>(names.size())}, names);
    Turn();
  }
  void BecomeServing() {
    worker_.Say(Type::kHello, OurHello());
    worker_.Say(Type::kConfined);
    Turn();
    SayReady();
    ASSERT_EQ(peer_.state(), WorkerPeer::State::kServing);
    worker_.Heard();
    services_.events.clear();
  }
  void ExpectLost(const std::string& part) {
    Turn();
    EXPECT_THAT(services_.why_lost, HasSubstr(part));
    EXPECT_THAT(worker_.Heard(), testing::Contains("closed"));
  }
  // Of request 9.
  void SayOpen(uint32_t access, uint32_t flags, std::string_view path = "/f", uint32_t ask = 1) {
    worker_.Say(Type::kOpenPath, wire::OpenPath{access, flags, static_cast<uint32_t>(path.size()), ask}, path, 9);
  }
  void SayWords(std::string_view words, uint32_t ask = 1) {
    worker_.Say(Type::kProgramWords, wire::ProgramWords{static_cast<uint32_t>(words.size()), ask}, words, 9);
  }

  FakeWorkerServices services_;
  Speaker worker_;
  WorkerPeer peer_;
};

TEST_F(WorkerPeerTest, IsCheckedBeforeItLoadsAndBeforeItServes) {
  worker_.Say(Type::kHello, OurHello());
  worker_.Say(Type::kConfined);
  Turn();
  EXPECT_THAT(worker_.Heard(), ElementsAre(Number(Type::kLoad)));
  SayReady();
  EXPECT_THAT(worker_.Heard(), ElementsAre(Number(Type::kServe)));
  EXPECT_THAT(services_.events, ElementsAre("check load", "check run", "ready"));
}

TEST_F(WorkerPeerTest, AFailedCheckEndsItBeforeItLoads) {
  services_.check = Fail(Code::kDenied, "CapEff is 1");
  worker_.Say(Type::kHello, OurHello());
  worker_.Say(Type::kConfined);
  ExpectLost("CapEff is 1");
}

TEST_F(WorkerPeerTest, CommandsOtherThanTheManifestsEndIt) {
  worker_.Say(Type::kHello, OurHello());
  worker_.Say(Type::kConfined);
  Turn();
  SayReady(std::string("a\0c\0", 4));
  ExpectLost("not those of its manifest");
}

TEST_F(WorkerPeerTest, NamesThatAreCountedWronglyEndIt) {
  worker_.Say(Type::kHello, OurHello());
  worker_.Say(Type::kConfined);
  Turn();
  SayReady(std::string("a\0b\0", 4), 3);
  ExpectLost("counts its words wrongly");
}

TEST_F(WorkerPeerTest, AnotherBuildEndsIt) {
  wire::Hello hello = OurHello();
  hello.build_id[0] ^= 1;
  worker_.Say(Type::kHello, hello);
  ExpectLost("another build");
  EXPECT_THAT(services_.events, ElementsAre("other build", "lost 3"));
}

TEST_F(WorkerPeerTest, EachMessageOutOfTurnEndsIt) {
  // Before hello nothing else is heard; after it is served, nothing of the start is heard again.
  const Type of_the_start[] = {Type::kConfined, Type::kReady};
  for (const Type type : of_the_start) {
    sys::TwoFds sockets = *sys::SocketPair(SOCK_SEQPACKET);
    Speaker speaker(std::move(sockets.second));
    FakeWorkerServices services;
    WorkerPeer peer(loop_, std::move(sockets.first), kGeneration, 1, {}, services);
    REEVE_ASSERT_OK(peer.Start({}));
    speaker.Say(type);
    Turn();
    EXPECT_THAT(services.why_lost, HasSubstr("out of turn"));
  }
  BecomeServing();
  worker_.Say(Type::kConfined);
  ExpectLost("out of turn");
}

TEST_F(WorkerPeerTest, AskingBeforeServingEndsIt) {
  worker_.Say(Type::kHello, OurHello());
  worker_.Say(Type::kConfined);
  SayOpen(1, 0);
  ExpectLost("out of turn");
  EXPECT_TRUE(services_.opens.empty());
}

TEST_F(WorkerPeerTest, ACoresMessageEndsIt) {
  BecomeServing();
  worker_.Say(Type::kStartWorker, wire::StartWorker{1, 0});
  ExpectLost("unknown here");
}

TEST_F(WorkerPeerTest, AnotherGenerationEndsIt) {
  worker_.generation = kGeneration + 1;
  worker_.Say(Type::kHello, OurHello());
  ExpectLost("generation 6");
}

TEST_F(WorkerPeerTest, ADescriptorEndsIt) {
  worker_.fds = {STDERR_FILENO};
  worker_.Say(Type::kHello, OurHello());
  ExpectLost("descriptors");
}

TEST_F(WorkerPeerTest, GarbageEndsItAndNotItsNeighbour) {
  sys::TwoFds sockets = *sys::SocketPair(SOCK_SEQPACKET);
  Speaker speaker(std::move(sockets.second));
  FakeWorkerServices services;
  WorkerPeer neighbour(loop_, std::move(sockets.first), kGeneration, 1, {}, services);
  REEVE_ASSERT_OK(neighbour.Start({}));
  worker_.SayRaw("no header");
  ExpectLost("");
  EXPECT_THAT(services_.events, ElementsAre("lost 3"));
  speaker.Say(Type::kHello, OurHello());
  Turn();
  EXPECT_EQ(neighbour.state(), WorkerPeer::State::kGreeted);
  EXPECT_TRUE(services.events.empty());
}

TEST_F(WorkerPeerTest, AnOpenIsAskedAsItWasSaidAndAnsweredOnce) {
  BecomeServing();
  SayOpen(3, wire::kOpenTruncate, "/dir/file");
  Turn();
  ASSERT_EQ(services_.opens.size(), 1u);
  EXPECT_EQ(services_.opens[0].path, "/dir/file");
  EXPECT_TRUE(services_.opens[0].truncates);
  services_.on_opened_calls[0](OpenedPath{.fd = UniqueFd(::dup(0)), .max_file_bytes = 77});
  EXPECT_THAT(worker_.Heard(), ElementsAre(Number(Type::kPathOpened)));
  EXPECT_EQ(worker_.last.header.request_id, 9u);
  EXPECT_EQ(worker_.last.Read<wire::PathOpened>()->max_file_bytes, 77u);
  EXPECT_EQ(worker_.last.Read<wire::PathOpened>()->ask, 1u);
  EXPECT_EQ(worker_.last.fds.size(), 1u);
}

TEST_F(WorkerPeerTest, ARefusalCarriesErrnoAndText) {
  BecomeServing();
  SayOpen(1, 0);
  Turn();
  services_.on_opened_calls[0](std::unexpected(Refusal{13, "because"}));
  EXPECT_THAT(worker_.Heard(), ElementsAre(Number(Type::kRefused)));
  Bytes text;
  EXPECT_EQ(worker_.last.Read<wire::Refused>(&text)->error_number, 13u);
  EXPECT_EQ(worker_.last.Read<wire::Refused>(&text)->ask, 1u);
  EXPECT_EQ(AsText(text), "because");
}

TEST_F(WorkerPeerTest, OpensThatMakeNoSenseEndIt) {
  struct {
    uint32_t access;
    uint32_t flags;
  } const bad[] = {{0, 0}, {8, 0}, {1, 4}, {1, wire::kOpenTruncate}, {5, 0}};
  for (const auto& open : bad) {
    sys::TwoFds sockets = *sys::SocketPair(SOCK_SEQPACKET);
    Speaker speaker(std::move(sockets.second));
    FakeWorkerServices services;
    WorkerPeer peer(loop_, std::move(sockets.first), kGeneration, 1, {}, services);
    REEVE_ASSERT_OK(peer.Start({}));
    speaker.Say(Type::kHello, OurHello());
    speaker.Say(Type::kConfined);
    speaker.Say(Type::kReady, wire::Ready{});
    speaker.Say(Type::kOpenPath, wire::OpenPath{open.access, open.flags, 2, 1}, "/f");
    Turn();
    EXPECT_NE(services.why_lost, "") << open.access << " " << open.flags;
    EXPECT_TRUE(services.opens.empty());
  }
}

TEST_F(WorkerPeerTest, ACutPathEndsIt) {
  BecomeServing();
  worker_.Say(Type::kOpenPath, wire::OpenPath{1, 0, 200, 1}, "/f", 9);
  ExpectLost("cut");
}

TEST_F(WorkerPeerTest, ARequestAsksForSeveralThingsAtOnceAndEachIsAnsweredByItsNumber) {
  BecomeServing();
  SayOpen(1, 0, "/f", 4);
  SayOpen(1, 0, "/g", 5);
  Turn();
  ASSERT_EQ(services_.opens.size(), 2u) << services_.why_lost;
  services_.on_opened_calls[1](std::unexpected(Refusal{2, "no"}));
  worker_.Heard();
  Bytes text;
  EXPECT_EQ(worker_.last.Read<wire::Refused>(&text)->ask, 5u);
  SayOpen(1, 0, "/h", 5);
  Turn();
  EXPECT_EQ(services_.opens.size(), 3u) << services_.why_lost;
}

TEST_F(WorkerPeerTest, ANumberOfAnAskThatIsNotAnsweredEndsIt) {
  BecomeServing();
  SayOpen(1, 0, "/f", 4);
  SayOpen(1, 0, "/f", 4);
  ExpectLost("another ask's");
}

TEST_F(WorkerPeerTest, AnAskWithoutNumberEndsIt) {
  BecomeServing();
  SayOpen(1, 0, "/f", 0);
  ExpectLost("another ask's");
}

TEST_F(WorkerPeerTest, MoreAsksThanAnybodyMayHaveAtOneTimeEndIt) {
  BecomeServing();
  for (uint32_t ask = 1; ask <= wire::kMaxAsksAtOnce; ++ask) SayOpen(1, 0, "/f", ask);
  Turn();
  EXPECT_EQ(services_.why_lost, "");
  SayOpen(1, 0, "/f", 99);
  ExpectLost("too much is asked");
}

TEST_F(WorkerPeerTest, AProgramsWordsComeInPieces) {
  BecomeServing();
  SayWords("/bin/ec");
  SayWords(std::string("ho\0a b\0\0X=1\0", 12));
  worker_.Say(Type::kRunProgram, wire::RunProgram{3, 1, 19, wire::kStreamStdout | wire::kStreamMerged, 1, 0, 1}, {}, 9);
  Turn();
  ASSERT_EQ(services_.programs.size(), 1u) << services_.why_lost;
  EXPECT_THAT(services_.programs[0].argv, ElementsAre("/bin/echo", "a b", ""));
  EXPECT_THAT(services_.programs[0].environment, ElementsAre("X=1"));
  EXPECT_TRUE(services_.programs[0].streams.is_merged);
}

TEST_F(WorkerPeerTest, MissingWordsEndIt) {
  BecomeServing();
  SayWords(std::string("/bin/echo\0", 10), 8);
  worker_.Say(Type::kRunProgram, wire::RunProgram{1, 0, 10, 0, 0, 0, 9}, {}, 9);
  ExpectLost("words are missing");
}

TEST_F(WorkerPeerTest, WordsOfTwoProgramsEndIt) {
  BecomeServing();
  SayWords("a", 8);
  SayWords("b", 9);
  ExpectLost("mixed");
}

TEST_F(WorkerPeerTest, WordsWithoutEndAndWrongCountsEndIt) {
  for (const auto& [words, count] : {std::pair{std::string("ab", 2), 1U}, {std::string("a\0b\0", 4), 3U}}) {
    sys::TwoFds sockets = *sys::SocketPair(SOCK_SEQPACKET);
    Speaker speaker(std::move(sockets.second));
    FakeWorkerServices services;
    WorkerPeer peer(loop_, std::move(sockets.first), kGeneration, 1, {}, services);
    REEVE_ASSERT_OK(peer.Start({}));
    speaker.Say(Type::kHello, OurHello());
    speaker.Say(Type::kConfined);
    speaker.Say(Type::kReady, wire::Ready{});
    const auto size = static_cast<uint32_t>(words.size());
    speaker.Say(Type::kProgramWords, wire::ProgramWords{size, 1}, words);
    speaker.Say(Type::kRunProgram, wire::RunProgram{count, 0, size, 0, 0, 0, 1});
    Turn();
    EXPECT_THAT(services.why_lost, HasSubstr("counts its words wrongly"));
  }
}

TEST_F(WorkerPeerTest, EndlessWordsEndIt) {
  BecomeServing();
  const std::string words(60000, 'x');
  for (size_t sent = 0; sent <= wire::kMaxProgramBytes; sent += words.size()) {
    SayWords(words);
    Turn();
  }
  ExpectLost("too long");
}

TEST_F(WorkerPeerTest, WordsAreCountedBeforeTheyAreMade) {
  BecomeServing();
  const std::string nothing_but_ends(60000, '\0');
  for (int i = 0; i < 30; ++i) {
    SayWords(nothing_but_ends);
    Turn();
  }
  worker_.Say(Type::kRunProgram, wire::RunProgram{.argument_count = 2, .total_bytes = 30 * 60000, .ask = 1}, {}, 9);
  ExpectLost("counts its words wrongly");
}

TEST_F(WorkerPeerTest, NobodySpeaksForAProcessThatHasEnded) {
  BecomeServing();
  SayOpen(1, 0);
  peer_.Close();
  Turn();
  EXPECT_TRUE(services_.opens.empty());
  EXPECT_TRUE(services_.events.empty());
}

TEST_F(WorkerPeerTest, AnUnknownSignalEndsIt) {
  BecomeServing();
  worker_.Say(Type::kSignalProgram, wire::SignalProgram{4, 15, 1});
  Turn();
  EXPECT_THAT(services_.events, ElementsAre("signal 4 15"));
  EXPECT_THAT(worker_.Heard(), ElementsAre(Number(Type::kProgramSignalled)));
  EXPECT_EQ(worker_.last.Read<wire::AskNumber>()->ask, 1u);
  worker_.Say(Type::kSignalProgram, wire::SignalProgram{4, 64, 1});
  ExpectLost("unknown signal");
}

class FakeCoreServices : public CoreServices {
 public:
  Status CheckCore() override { return check; }
  void OnOtherBuild() override { events.push_back("other build"); }
  void OnCoreChecked() override { on_checked ? on_checked() : void(); }
  void OnCoreServing() override { events.push_back("serving"); }
  void OnCoreLost(const std::string& why) override { why_lost = why; }
  Status StartWorker(uint32_t plugin) override { return events.push_back("start " + std::to_string(plugin)), Status(); }
  Status StopWorker(uint32_t worker) override { return events.push_back("stop " + std::to_string(worker)), Status(); }
  Status Announce(uint64_t request_id, uint32_t deadline_ms, const wire::Announce& what) override {
    events.push_back("announce " + std::to_string(request_id) + " " + std::to_string(deadline_ms) + " " +
                     std::to_string(what.worker));
    return announced;
  }
  Status Retract(uint64_t request_id, uint32_t worker) override {
    return events.push_back("retract " + std::to_string(request_id) + " " + std::to_string(worker)), Status();
  }
  Status OpenDevice(uint32_t channel) override {
    return events.push_back("device " + std::to_string(channel)), Status();
  }

  Status check;
  std::function<void()> on_checked;
  Status announced;
  std::vector<std::string> events;
  std::string why_lost;
};

class CorePeerTest : public PeerTest {
 protected:
  CorePeerTest() : CorePeerTest(*sys::SocketPair(SOCK_SEQPACKET)) {}
  explicit CorePeerTest(sys::TwoFds sockets)
      : core_(std::move(sockets.second)), peer_(loop_, std::move(sockets.first), kGeneration, services_) {
    EXPECT_THAT(peer_.Start(), IsOk());
  }
  FakeCoreServices services_;
  Speaker core_;
  CorePeer peer_;
};

TEST_F(CorePeerTest, ServesOnlyAfterItWasChecked) {
  core_.Say(Type::kHello, OurHello());
  Turn();
  EXPECT_THAT(core_.Heard(), ElementsAre(Number(Type::kServe)));
  EXPECT_THAT(services_.events, ElementsAre("serving"));
}

TEST_F(CorePeerTest, AFailedCheckEndsIt) {
  services_.check = Fail(Code::kDenied, "Seccomp is 0");
  core_.Say(Type::kHello, OurHello());
  Turn();
  EXPECT_THAT(core_.Heard(), ElementsAre("closed"));
  EXPECT_THAT(services_.why_lost, HasSubstr("Seccomp is 0"));
}

TEST_F(CorePeerTest, EachRequestReachesItsService) {
  core_.Say(Type::kHello, OurHello());
  core_.Say(Type::kStartWorker, wire::StartWorker{2, 0});
  wire::Announce announce;
  announce.worker = 4;
  core_.Say(Type::kAnnounce, announce, {}, 8);
  core_.Say(Type::kRetract, wire::WorkerId{4, 0}, {}, 8);
  core_.Say(Type::kStopWorker, wire::WorkerId{4, 0});
  core_.Say(Type::kOpenDevice, wire::ChannelNumber{1, 0});
  Turn();
  EXPECT_THAT(services_.events,
              ElementsAre("serving", "start 2", "announce 8 0 4", "retract 8 4", "stop 4", "device 1"));
}

TEST_F(CorePeerTest, ARequestBeforeHelloAndASecondHelloEndIt) {
  core_.Say(Type::kStartWorker, wire::StartWorker{2, 0});
  Turn();
  EXPECT_THAT(services_.why_lost, HasSubstr("out of turn"));

  sys::TwoFds sockets = *sys::SocketPair(SOCK_SEQPACKET);
  Speaker speaker(std::move(sockets.second));
  FakeCoreServices services;
  CorePeer peer(loop_, std::move(sockets.first), kGeneration, services);
  REEVE_ASSERT_OK(peer.Start());
  speaker.Say(Type::kHello, OurHello());
  speaker.Say(Type::kHello, OurHello());
  Turn();
  EXPECT_THAT(services.why_lost, HasSubstr("out of turn"));
}

TEST_F(CorePeerTest, AWorkersMessageEndsIt) {
  core_.Say(Type::kHello, OurHello());
  core_.Say(Type::kOpenPath, wire::OpenPath{1, 0, 2, 1}, "/f");
  Turn();
  EXPECT_THAT(services_.why_lost, HasSubstr("unknown here"));
}

TEST_F(CorePeerTest, ReservedFieldsAndLongMessagesEndIt) {
  for (const bool is_long : {false, true}) {
    sys::TwoFds sockets = *sys::SocketPair(SOCK_SEQPACKET);
    Speaker speaker(std::move(sockets.second));
    FakeCoreServices services;
    CorePeer peer(loop_, std::move(sockets.first), kGeneration, services);
    REEVE_ASSERT_OK(peer.Start());
    speaker.Say(Type::kHello, OurHello());
    speaker.Say(Type::kStopWorker, wire::WorkerId{4, is_long ? 0U : 1U}, is_long ? "x" : "");
    Turn();
    EXPECT_NE(services.why_lost, "");
    EXPECT_THAT(services.events, ElementsAre("serving"));
  }
}

TEST_F(CorePeerTest, ARefusedAnnouncementEndsIt) {
  services_.announced = Fail(Code::kTooLarge, "33 of them");
  core_.Say(Type::kHello, OurHello());
  core_.Say(Type::kAnnounce, wire::Announce{}, {}, 8);
  Turn();
  EXPECT_THAT(services_.why_lost, HasSubstr("33 of them"));
}

// A worker that was just told to serve may have its first request, and ask, before the warden looks at its socket again.
TEST_F(CorePeerTest, ItIsDrainedBetweenTwoMessagesOfAWorker) {
  core_.Say(Type::kHello, OurHello());
  Turn();
  sys::TwoFds sockets = *sys::SocketPair(SOCK_SEQPACKET);
  Speaker worker(std::move(sockets.second));
  struct Quick : FakeWorkerServices {
    Quick(std::vector<std::string>& list, Speaker& core, Speaker& worker)
        : shared(list), core_side(core), side(worker) {}
    void OnWorkerReady(uint32_t) override {
      core_side.Say(Type::kAnnounce, wire::Announce{}, {}, 8);
      side.Say(Type::kOpenPath, wire::OpenPath{1, 0, 2, 1}, "/f", 8);
    }
    void OpenPath(uint32_t, uint64_t, OpenAsk, OnOpened) override { shared.push_back("open"); }
    std::vector<std::string>& shared;
    Speaker& core_side;
    Speaker& side;
  } quick(services_.events, core_, worker);
  WorkerPeer peer(loop_, std::move(sockets.first), kGeneration, 1, {}, quick);
  REEVE_ASSERT_OK(peer.Start([this] { peer_.Drain(); }));
  worker.Say(Type::kHello, OurHello());
  worker.Say(Type::kConfined);
  worker.Say(Type::kReady, wire::Ready{});
  Turn();
  EXPECT_THAT(services_.events, ElementsAre("serving", "announce 8 0 0", "open"));
}

TEST_F(CorePeerTest, HearsWhatIsFrozenBeforeItIsToServe) {
  services_.on_checked = [this] { peer_.Send(Type::kStillFrozen, wire::Hold{2}); };
  core_.Say(Type::kHello, OurHello());
  Turn();
  EXPECT_THAT(core_.Heard(), ElementsAre(Number(Type::kStillFrozen), Number(Type::kServe)));
}

TEST_F(WorkerPeerTest, SaysHowMuchItHoldsOnceItServes) {
  BecomeServing();
  worker_.Say(Type::kHold, wire::Hold{5});
  Turn();
  EXPECT_THAT(services_.events, ElementsAre("3 holds 5"));
}

TEST_F(WorkerPeerTest, WhoMayNotSayThatItHoldsSomethingIsEnded) {
  BecomeServing();
  services_.holds = Fail(Code::kBadMessage, "what it holds is not asked here");
  worker_.Say(Type::kHold, wire::Hold{5});
  ExpectLost("what it holds is not asked here");
}

TEST_F(WorkerPeerTest, WhoWantsQuietIsToldWithItsNumber) {
  BecomeServing();
  worker_.Say(Type::kHold, wire::Hold{1});
  worker_.Say(Type::kQuiesce, wire::QuietNumber{9});
  Turn();
  EXPECT_THAT(services_.events, ElementsAre("3 holds 1", "3 quiesces"));
  EXPECT_THAT(worker_.Heard(), ElementsAre(Number(Type::kQuiet)));
  EXPECT_EQ(worker_.last.Read<wire::QuietNumber>()->number, 9u);
}

TEST_F(WorkerPeerTest, WhoMayNotWantQuietIsEnded) {
  BecomeServing();
  services_.holds = Fail(Code::kBadMessage, "who holds nothing that is frozen needs no quiet");
  worker_.Say(Type::kQuiesce, wire::QuietNumber{9});
  ExpectLost("needs no quiet");
}

TEST_F(CorePeerTest, APeerThatJustClosesIsNoReason) {
  {
    const Speaker gone = std::move(core_);
  }
  Turn();
  EXPECT_EQ(services_.why_lost, "it closed its socket");
}

TEST_F(CorePeerTest, ItIsDrainedBeforeAWorkerIsHeard) {
  core_.Say(Type::kHello, OurHello());
  Turn();
  sys::TwoFds sockets = *sys::SocketPair(SOCK_SEQPACKET);
  Speaker worker(std::move(sockets.second));
  struct Order : FakeWorkerServices {
    explicit Order(std::vector<std::string>& list) : shared(list) {}
    void OpenPath(uint32_t, uint64_t, OpenAsk, OnOpened) override { shared.push_back("open"); }
    std::vector<std::string>& shared;
  } order(services_.events);
  WorkerPeer peer(loop_, std::move(sockets.first), kGeneration, 1, {}, order);
  REEVE_ASSERT_OK(peer.Start([this] { peer_.Drain(); }));
  worker.Say(Type::kHello, OurHello());
  worker.Say(Type::kConfined);
  worker.Say(Type::kReady, wire::Ready{});
  Turn();
  // The worker's ask is in its socket first, and would be read first.
  worker.Say(Type::kOpenPath, wire::OpenPath{1, 0, 2, 1}, "/f", 8);
  core_.Say(Type::kAnnounce, wire::Announce{}, {}, 8);
  Turn();
  EXPECT_THAT(services_.events, ElementsAre("serving", "announce 8 0 0", "open"));
}

}  // namespace
}  // namespace reeve::warden
