#include <sys/socket.h>

#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "agent/wire/core_link.h"
#include "agent/wire/worker_link.h"
#include "base/testing.h"

namespace reeve::wire {
namespace {

constexpr uint64_t kGeneration = 3;

struct CoreSide final : WorkerLink::Events {
  struct Ended {
    int32_t status;
    std::string text;
    bool wants_settled;
  };
  std::map<uint64_t, std::string> replies;
  std::map<uint64_t, Ended> ended;
  std::vector<uint64_t> held;
  std::vector<uint64_t> pongs;
  std::vector<uint64_t> quiesces;
  std::function<void(uint64_t)> on_quiesce;
  int renewals = 0;
  std::vector<std::pair<uint64_t, std::string>> notes;
  std::vector<std::string> logged;
  std::optional<Error> closed;

  void OnReplyPiece(uint64_t id, Bytes piece) override { replies[id] += AsText(piece); }
  void OnReplyEnd(uint64_t id, int32_t status, std::string_view text, bool wants_settled) override {
    EXPECT_FALSE(ended.contains(id));
    ended.emplace(id, Ended{status, std::string(text), wants_settled});
  }
  void OnHold(uint64_t count) override { held.push_back(count); }
  void OnFreezeNote(uint64_t time_left_ms, std::string_view why) override { notes.emplace_back(time_left_ms, why); }
  void OnQuiesce(uint64_t number) override {
    quiesces.push_back(number);
    if (on_quiesce) on_quiesce(number);
  }
  void OnRenew() override { ++renewals; }
  void OnPong(uint64_t heap_bytes) override { pongs.push_back(heap_bytes); }
  void OnLogLine(Severity, std::string_view text) override { logged.emplace_back(text); }
  void OnLinkClosed(const Error& error) override { closed = error; }
};

struct WorkerSide final : CoreLink::Events {
  std::map<uint64_t, std::string> requests;
  std::vector<uint64_t> order;
  std::vector<uint64_t> cancelled;
  std::vector<std::pair<uint64_t, bool>> settled;
  std::vector<uint64_t> quiets;
  std::optional<Error> closed;
  std::function<void(const RequestHead&, std::string_view)> on_request;

  void OnRequest(const RequestHead& head, RequestText text) override {
    requests[head.id] = text.view();
    order.push_back(head.id);
    if (on_request) on_request(head, text.view());
  }
  void OnCancel(uint64_t id) override { cancelled.push_back(id); }
  void OnSettled(uint64_t id, bool was_sent) override { settled.emplace_back(id, was_sent); }
  void OnQuiet(uint64_t number) override { quiets.push_back(number); }
  void OnLinkClosed(const Error& error) override { closed = error; }
};

ByteQueue QueueOf(std::string_view text) {
  ByteQueue queue;
  queue.Append(text);
  return queue;
}

class LinkTest : public testing::Test {
 protected:
  LinkTest() : core_loop_(std::move(*EventLoop::Create(clock_))), worker_loop_(std::move(*EventLoop::Create(clock_))) {
    auto sockets = std::move(*sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK));
    core_socket_ = std::move(sockets.first);
    worker_socket_ = std::move(sockets.second);
    ring_to_ = std::move(*MakeRing(kRingBytes));
    ring_from_ = std::move(*MakeRing(kRingBytes));
  }
  void StartCore() {
    WorkerChannel channel{std::move(core_socket_), std::move(*sys::Duplicate(ring_to_.get())),
                          std::move(*sys::Duplicate(ring_from_.get()))};
    core_link_ = std::move(*WorkerLink::Create(core_loop_, std::move(channel), kGeneration, core_));
  }
  void StartWorker() {
    worker_link_ = std::move(*CoreLink::Create(worker_loop_, std::move(worker_socket_),
                                               std::move(*RingReader::Create(ring_to_.get())),
                                               std::move(*RingWriter::Create(ring_from_.get())), kGeneration, worker_));
  }
  void Start() {
    StartCore();
    StartWorker();
  }
  // Lets both sides work until neither has anything to do.
  void Run(int turns = 50) {
    for (int i = 0; i < turns; ++i) {
      REEVE_ASSERT_OK(core_loop_.RunOnce(std::chrono::milliseconds(0)));
      REEVE_ASSERT_OK(worker_loop_.RunOnce(std::chrono::milliseconds(0)));
    }
  }
  // As a worker that breaks the rules would.
  template <typename Payload>
  void SendAsWorker(Type type, uint64_t id, const Payload& payload, std::string_view tail = {},
                    uint64_t generation = kGeneration) {
    REEVE_ASSERT_OK(wire::Send(worker_socket_.get(), Header{.type = type, .generation = generation, .request_id = id},
                               payload, tail));
  }
  void GreetAsWorker() {
    Hello hello;
    std::memcpy(hello.build_id, BuildId(), sizeof hello.build_id);
    SendAsWorker(Type::kHello, 0, hello);
  }
  void ExpectCoreDrops(std::string_view why) {
    Run();
    ASSERT_TRUE(core_.closed);
    EXPECT_EQ(core_.closed->code(), Code::kBadMessage);
    EXPECT_THAT(core_.closed->message(), testing::HasSubstr(std::string(why)));
  }

  MonotonicClock clock_;
  EventLoop core_loop_, worker_loop_;
  UniqueFd core_socket_, worker_socket_, ring_to_, ring_from_;
  CoreSide core_;
  WorkerSide worker_;
  std::unique_ptr<WorkerLink> core_link_;
  std::unique_ptr<CoreLink> worker_link_;
};

TEST_F(LinkTest, PingIsAnsweredBeforeTheRequestThatFollows) {
  Start();
  Run();
  core_link_->Ping();
  REEVE_ASSERT_OK(core_link_->Send({.id = 1}, QueueOf("{}")));
  worker_.on_request = [&](const RequestHead&, std::string_view) {
    REEVE_ASSERT_OK(core_loop_.RunOnce(std::chrono::milliseconds(0)));
    EXPECT_EQ(core_.pongs.size(), 1u);
  };
  Run();
  EXPECT_EQ(worker_.order.size(), 1u);
  ASSERT_EQ(core_.pongs.size(), 1u);
  core_link_->Ping();
  Run();
  EXPECT_EQ(core_.pongs.size(), 2u);
}

#ifndef REEVE_SANITIZED  // whose heap is not the C library's
TEST_F(LinkTest, PongTellsHowLargeTheHeapIs) {
  constexpr size_t kGrowth = 32u << 20;
  Start();
  Run();
  core_link_->Ping();
  Run();
  const std::vector<char> large(kGrowth);
  core_link_->Ping();
  Run();
  ASSERT_EQ(core_.pongs.size(), 2u);
  EXPECT_GE(core_.pongs[1], core_.pongs[0] + kGrowth);
}
#endif

TEST_F(LinkTest, DropsAWorkerThatAnswersNoPing) {
  StartCore();
  GreetAsWorker();
  SendAsWorker(Type::kPong, 0, Pong{.heap_bytes = 1});
  ExpectCoreDrops("an answer to no ping");
}

TEST_F(LinkTest, CarriesARequestAndItsReply) {
  Start();
  worker_.on_request = [&](const RequestHead& head, std::string_view) {
    EXPECT_EQ(head.command, 2u);
    EXPECT_EQ(head.channel, 4u);
    EXPECT_EQ(head.deadline_ms, 5000u);
    REEVE_ASSERT_OK(worker_link_->Write(head.id, AsBytes("{\"a\": ")));
    REEVE_ASSERT_OK(worker_link_->Write(head.id, AsBytes("1}")));
    worker_link_->Finish(head.id, 0, "");
  };
  REEVE_ASSERT_OK(core_link_->Send({.id = 1, .command = 2, .channel = 4, .deadline_ms = 5000}, QueueOf("{}")));
  Run();
  EXPECT_EQ(worker_.requests[1], "{}");
  EXPECT_EQ(core_.replies[1], "{\"a\": 1}");
  EXPECT_EQ(core_.ended.at(1).status, 0);
  EXPECT_EQ(core_link_->in_flight(), 0u);
}

TEST_F(LinkTest, CarriesARequestLargerThanTheRing) {
  Start();
  std::string large(5 * kRingBytes + 17, 'x');
  for (size_t i = 0; i < large.size(); i += 1000) large[i] = static_cast<char>('a' + i / 1000 % 26);
  REEVE_ASSERT_OK(core_link_->Send({.id = 1}, QueueOf(large)));
  REEVE_ASSERT_OK(core_link_->Send({.id = 2}, QueueOf("second")));
  Run();
  EXPECT_TRUE(worker_.requests[1] == large);
  EXPECT_EQ(worker_.requests[2], "second");
  EXPECT_EQ(worker_.order, (std::vector<uint64_t>{1, 2}));
}

TEST_F(LinkTest, AWorkerWaitsInsideWriteWhileTheCoreIsBehind) {
  Start();
  const std::string large(3 * kRingBytes + 5, 'y');
  std::thread worker([&] {
    worker_.on_request = [&](const RequestHead& head, std::string_view) {
      REEVE_ASSERT_OK(worker_link_->Write(head.id, AsBytes("[")));
      REEVE_ASSERT_OK(worker_link_->Write(head.id, AsBytes(large)));
      for (size_t done = 0; done < large.size();) {
        auto room = worker_link_->Reserve(head.id, large.size() - done);
        REEVE_ASSERT_OK(room);
        std::memset(room->data(), 'z', room->size());
        done += room->size();
        REEVE_ASSERT_OK(worker_link_->Commit(head.id, room->size()));
      }
      REEVE_ASSERT_OK(worker_link_->Write(head.id, AsBytes("]")));
      worker_link_->Finish(head.id, 0, "");
    };
    while (worker_.requests.size() < 2) REEVE_ASSERT_OK(worker_loop_.RunOnce(std::chrono::milliseconds(100)));
  });
  REEVE_ASSERT_OK(core_link_->Send({.id = 1}, QueueOf("{}")));
  REEVE_ASSERT_OK(core_link_->Send({.id = 2}, QueueOf("{}")));
  while (core_.ended.size() < 2 && !core_.closed) REEVE_ASSERT_OK(core_loop_.RunOnce(std::chrono::milliseconds(100)));
  worker.join();
  const std::string expected = "[" + large + std::string(large.size(), 'z') + "]";
  EXPECT_TRUE(core_.replies[1] == expected);
  EXPECT_TRUE(core_.replies[2] == expected);
}

TEST_F(LinkTest, TellsARequestThatIsCarriedOutThatItIsCancelled) {
  Start();
  REEVE_ASSERT_OK(core_link_->Send({.id = 1}, QueueOf("{}")));
  Run();
  EXPECT_FALSE(worker_link_->cancel_flag(1));
  EXPECT_TRUE(core_link_->Cancel(1));
  Run();
  EXPECT_TRUE(worker_link_->cancel_flag(1));
  EXPECT_EQ(worker_.cancelled, (std::vector<uint64_t>{1}));
  EXPECT_THAT(worker_link_->Write(1, AsBytes("x")), FailsWith(Code::kUnavailable));
  worker_link_->Finish(1, -7, "cancelled");
  Run();
  EXPECT_EQ(core_.ended.at(1).status, -7);
  EXPECT_EQ(core_.ended.at(1).text, "cancelled");
}

TEST_F(LinkTest, AnErrorsTextThatIsTooLongLosesItsMiddle) {
  Start();
  REEVE_ASSERT_OK(core_link_->Send({.id = 1}, QueueOf("{}")));
  Run();
  worker_link_->Finish(1, -1, "open " + std::string(2 * kMaxTextBytes, 'x') + ": File name too long");
  Run();
  EXPECT_EQ(core_.ended.at(1).text.size(), kMaxTextBytes);
  EXPECT_THAT(core_.ended.at(1).text, testing::AllOf(testing::StartsWith("open xx"), testing::HasSubstr("xx...xx"),
                                                     testing::EndsWith("xx: File name too long")));
}

TEST_F(LinkTest, ACancelledRequestThatWasNeverBegunIsNeverSent) {
  StartCore();  // no worker reads: the first fills the ring
  REEVE_ASSERT_OK(core_link_->Send({.id = 1}, QueueOf(std::string(2 * kRingBytes, 'x'))));
  REEVE_ASSERT_OK(core_link_->Send({.id = 2}, QueueOf("{}")));
  EXPECT_FALSE(core_link_->Cancel(2));
  EXPECT_TRUE(core_link_->Cancel(1));
  StartWorker();
  Run();
  EXPECT_EQ(worker_.order, (std::vector<uint64_t>{1}));
  EXPECT_TRUE(worker_link_->cancel_flag(1));
  EXPECT_FALSE(core_link_->Cancel(77));
}

TEST_F(LinkTest, TakesNoMoreRequestsThanMayBeInFlight) {
  StartCore();
  for (uint64_t id = 1; id <= kMaxInFlight; ++id) REEVE_ASSERT_OK(core_link_->Send({.id = id}, QueueOf("{}")));
  EXPECT_THAT(core_link_->Send({.id = 99}, QueueOf("{}")), FailsWith(Code::kUnavailable));
}

TEST_F(LinkTest, SaysWhatBecameOfAReplyWhenAsked) {
  Start();
  REEVE_ASSERT_OK(core_link_->Send({.id = 1}, QueueOf("{}")));
  Run();
  worker_link_->WantSettled(1);
  worker_link_->Finish(1, 0, "");
  Run();
  EXPECT_TRUE(core_.ended.at(1).wants_settled);
  core_link_->Settle(1, true);
  Run();
  EXPECT_EQ(worker_.settled, (std::vector<std::pair<uint64_t, bool>>{{1, true}}));
}

TEST_F(LinkTest, CarriesHoldsAndLogLines) {
  Start();
  worker_link_->Hold(2);
  EXPECT_TRUE(worker_link_->Log(Severity::kInfo, "hello"));
  Run();
  EXPECT_EQ(core_.held, (std::vector<uint64_t>{2}));
  EXPECT_EQ(core_.logged, (std::vector<std::string>{"hello"}));
}

TEST_F(LinkTest, CarriesWhatIsSaidOfAFreezeAndCutsWhatIsTooLong) {
  Start();
  worker_link_->NoteFreeze(1500, "");
  worker_link_->NoteFreeze(0, std::string(kMaxFreezeTextBytes + 1, 'x'));
  Run();
  EXPECT_EQ(core_.notes,
            (std::vector<std::pair<uint64_t, std::string>>{{1500, ""}, {0, std::string(kMaxFreezeTextBytes, 'x')}}));
}

TEST_F(LinkTest, CarriesAWishForQuietAndItsAnswer) {
  Start();
  worker_link_->Hold(1);
  worker_link_->Quiesce(7);
  Run();
  EXPECT_THAT(core_.held, testing::ElementsAre(1u));
  EXPECT_THAT(core_.quiesces, testing::ElementsAre(7u));
  core_link_->Quiet(7);
  Run();
  EXPECT_THAT(worker_.quiets, testing::ElementsAre(7u));
}

TEST_F(LinkTest, CarriesAWishForAnotherProcess) {
  Start();
  worker_link_->Renew();
  Run();
  EXPECT_EQ(core_.renewals, 1);
}

// The rings come to the next core as the last one left them.
TEST_F(LinkTest, AnotherCoreUsesTheRingsFromTheirBeginning) {
  Start();
  const std::string large(kRingBytes + 1000, 'r');
  REEVE_ASSERT_OK(core_link_->Send({.id = 1}, QueueOf('"' + large + '"')));
  REEVE_ASSERT_OK(core_link_->Send({.id = 2}, QueueOf("{}")));
  Run();
  REEVE_ASSERT_OK(worker_link_->Write(1, AsBytes("x")));
  core_link_.reset();
  CoreLink::Rings rings = worker_link_->GiveUp();
  const std::unique_ptr<CoreLink> old_link = std::move(worker_link_);
  auto sockets = std::move(*sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK));
  core_socket_ = std::move(sockets.first);
  StartCore();
  worker_link_ = std::move(*CoreLink::Create(worker_loop_, std::move(sockets.second), std::move(rings.reader),
                                             std::move(rings.writer), kGeneration, worker_));
  // What the last core asked is answered to nobody.
  EXPECT_THAT(old_link->Write(1, AsBytes(large)), FailsWith(Code::kClosed));
  EXPECT_THAT(old_link->Reserve(1, 10), FailsWith(Code::kClosed));
  old_link->Finish(1, 0, "");
  old_link->Finish(2, -1, "why");
  REEVE_ASSERT_OK(core_link_->Send({.id = 9}, QueueOf('"' + large + '"')));
  Run(200);
  ASSERT_EQ(worker_.requests[9].size(), large.size() + 2);
  std::thread reply([&] {
    ASSERT_THAT(worker_link_->Write(9, AsBytes('"' + large + '"')), IsOk());
    worker_link_->Finish(9, 0, "");
  });
  while (!core_.ended.contains(9) && !core_.closed) REEVE_ASSERT_OK(core_loop_.RunOnce(std::chrono::milliseconds(10)));
  reply.join();
  EXPECT_FALSE(core_.closed);
  EXPECT_EQ(core_.replies[9].size(), large.size() + 2);
  EXPECT_FALSE(core_.ended.contains(1));
  EXPECT_FALSE(worker_.closed);
}

TEST_F(LinkTest, EachSideNoticesThatTheOtherIsGone) {
  Start();
  Run();
  worker_link_.reset();
  Run();
  ASSERT_TRUE(core_.closed);
  EXPECT_EQ(core_.closed->code(), Code::kClosed);
  EXPECT_THAT(core_link_->Send({.id = 1}, QueueOf("{}")), FailsWith(Code::kClosed));
}

// ---- What a hostile worker may try. Each ends it.

TEST_F(LinkTest, DropsAWorkerWhoseNoteOfAFreezeIsNone) {
  StartCore();
  GreetAsWorker();
  SendAsWorker(Type::kFreezeNote, 0, FreezeNote{.time_left_ms = 1, .text_bytes = 3}, "long");
  ExpectCoreDrops("note of a freeze");
}

TEST_F(LinkTest, DropsAWorkerThatSaysMoreThanThatItIsToBeRenewed) {
  StartCore();
  GreetAsWorker();
  SendAsWorker(Type::kRenew, 0, QuietNumber{.number = 1});
  ExpectCoreDrops("longer than its type");
}

TEST_F(LinkTest, DropsAWorkerThatDoesNotGreetFirst) {
  StartCore();
  SendAsWorker(Type::kHold, 0, Hold{});
  ExpectCoreDrops("greeting");
}

TEST_F(LinkTest, DropsAWorkerOfAnotherBuild) {
  StartCore();
  SendAsWorker(Type::kHello, 0, Hello{});
  ExpectCoreDrops("another build");
}

TEST_F(LinkTest, DropsAMessageOfAnotherGeneration) {
  StartCore();
  GreetAsWorker();
  SendAsWorker(Type::kHold, 0, Hold{}, {}, kGeneration + 1);
  ExpectCoreDrops("generation");
}

TEST_F(LinkTest, DropsAReplyToWhatWasNotAsked) {
  StartCore();
  GreetAsWorker();
  SendAsWorker(Type::kReplyEnd, 5, ReplyEnd{});
  ExpectCoreDrops("not asked");
}

TEST_F(LinkTest, DropsASecondReplyToOneRequest) {
  StartCore();
  REEVE_ASSERT_OK(core_link_->Send({.id = 5}, QueueOf("{}")));
  GreetAsWorker();
  SendAsWorker(Type::kReplyEnd, 5, ReplyEnd{});
  SendAsWorker(Type::kReplyEnd, 5, ReplyEnd{});
  ExpectCoreDrops("not asked");
  EXPECT_EQ(core_.ended.size(), 1u);
}

TEST_F(LinkTest, DropsAPieceOutOfTheRing) {
  StartCore();
  REEVE_ASSERT_OK(core_link_->Send({.id = 5}, QueueOf("{}")));
  GreetAsWorker();
  SendAsWorker(Type::kReply, 5, ReplyPiece{.ring_offset = kRingBytes - 1, .piece_bytes = 2});
  ExpectCoreDrops("does not lie");
}

TEST_F(LinkTest, DropsAPieceOfALengthThatWraps) {
  StartCore();
  REEVE_ASSERT_OK(core_link_->Send({.id = 5}, QueueOf("{}")));
  GreetAsWorker();
  SendAsWorker(Type::kReply, 5, ReplyPiece{.ring_offset = 16, .piece_bytes = UINT32_MAX - 8});
  ExpectCoreDrops("does not lie");
}

TEST_F(LinkTest, DropsAReplyThatIsNotAsLongAsItSays) {
  StartCore();
  REEVE_ASSERT_OK(core_link_->Send({.id = 5}, QueueOf("{}")));
  GreetAsWorker();
  SendAsWorker(Type::kReplyEnd, 5, ReplyEnd{.text_bytes = 2, .total_bytes = 3}, "{}");
  ExpectCoreDrops("not as long");
}

TEST_F(LinkTest, DropsATextThatIsNotAsLongAsItSays) {
  StartCore();
  REEVE_ASSERT_OK(core_link_->Send({.id = 5}, QueueOf("{}")));
  GreetAsWorker();
  SendAsWorker(Type::kReplyEnd, 5, ReplyEnd{.status = -1, .text_bytes = 200}, "short");
  ExpectCoreDrops("not as long");
}

TEST_F(LinkTest, DropsCreditForWhatWasNeverSent) {
  StartCore();
  GreetAsWorker();
  SendAsWorker(Type::kConsumed, 0, Consumed{.consumed = 1});
  ExpectCoreDrops("never written");
}

TEST_F(LinkTest, DropsATypeThatNoWorkerSends) {
  StartCore();
  GreetAsWorker();
  SendAsWorker(Type::kStartWorker, 0, wire::StartWorker{});
  ExpectCoreDrops("no worker sends");
}

TEST_F(LinkTest, DropsAWorkerThatAsksForQuietWithoutEndAndReadsNoAnswer) {
  core_.on_quiesce = [this](uint64_t number) { core_link_->Quiet(number); };
  StartCore();
  GreetAsWorker();
  const Header header{.type = Type::kQuiesce, .generation = kGeneration};
  for (int i = 0; i < 100'000 && !core_.closed; ++i) {
    static_cast<void>(wire::Send(worker_socket_.get(), header, QuietNumber{.number = 1}));
    REEVE_ASSERT_OK(core_loop_.RunOnce(std::chrono::milliseconds(0)));
  }
  ExpectCoreDrops("does not read the answers");
}

TEST_F(LinkTest, DropsALogLineOfNoSeverity) {
  StartCore();
  GreetAsWorker();
  SendAsWorker(Type::kLogLine, 0, LogLine{.severity = 4, .text_bytes = 1}, "x");
  ExpectCoreDrops("log line");
}

TEST_F(LinkTest, DropsAnUnexpectedDescriptor) {
  StartCore();
  GreetAsWorker();
  const int fd = ring_to_.get();
  REEVE_ASSERT_OK(
      wire::Send(worker_socket_.get(), Header{.type = Type::kHold, .generation = kGeneration}, Hold{}, {}, {&fd, 1}));
  ExpectCoreDrops("descriptor");
}

TEST_F(LinkTest, AWorkerDropsACoreThatMixesRequests) {
  StartWorker();
  const auto send = [&](Type type, uint64_t id, const auto& payload, std::string_view tail = {}) {
    REEVE_ASSERT_OK(wire::Send(core_socket_.get(), Header{.type = type, .generation = kGeneration, .request_id = id},
                               payload, tail));
  };
  Hello hello;
  std::memcpy(hello.build_id, BuildId(), sizeof hello.build_id);
  send(Type::kHello, 0, hello);
  send(Type::kRequest, 1, wire::Request{.ring_offset = kInlineOffset, .piece_bytes = 1, .total_bytes = 9}, "x");
  send(Type::kRequest, 2, wire::Request{.ring_offset = kInlineOffset, .piece_bytes = 1, .total_bytes = 9}, "x");
  Run();
  ASSERT_TRUE(worker_.closed);
  EXPECT_THAT(worker_.closed->message(), testing::HasSubstr("mixed"));
}

}  // namespace
}  // namespace reeve::wire
