#include "agent/core/worker_slot.h"

#include <signal.h>
#include <sys/socket.h>

#include <functional>
#include <map>

#include "agent/core/testing.h"
#include "agent/core/worker_pool.h"
#include "agent/wire/core_link.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::core {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kKilledStatus = SIGKILL;  // wait(2)'s encoding of it

// The warden as the pool sees it: remembers what it was asked for.
class FakeWarden final : public WorkerRequests {
 public:
  void StartWorker(uint32_t plugin) override { starts.push_back(plugin); }
  void StopWorker(uint32_t worker) override { stops.push_back(worker); }
  Status Announce(uint64_t request_id, uint32_t deadline_ms, const wire::Announce& announce) override {
    if (!has_room) return Fail(Code::kUnavailable, "full");
    announced[request_id] = announce;
    deadlines[request_id] = deadline_ms;
    return {};
  }
  void Retract(uint64_t request_id, uint32_t) override { retracted.push_back(request_id); }

  bool has_room = true;
  std::vector<uint32_t> starts, stops;
  std::map<uint64_t, wire::Announce> announced;
  std::map<uint64_t, uint32_t> deadlines;
  std::vector<uint64_t> retracted;
};

// A worker that does what the test says.
class FakeWorker final : public wire::CoreLink::Events {
 public:
  void OnRequest(const wire::RequestHead& head, wire::RequestText text) override {
    heads.push_back(head);
    texts.emplace_back(text.view());
    if (on_request) on_request(head);
  }
  void OnCancel(uint64_t request_id) override { cancelled.push_back(request_id); }
  void OnSettled(uint64_t, bool was_sent) override { settled.push_back(was_sent); }
  void OnQuiet(uint64_t number) override { quiets.push_back(number); }
  void OnLinkClosed(const Error&) override { is_closed = true; }

  std::unique_ptr<wire::CoreLink> link;
  std::function<void(const wire::RequestHead&)> on_request;
  std::vector<wire::RequestHead> heads;
  std::vector<std::string> texts;
  std::vector<uint64_t> cancelled;
  std::vector<bool> settled;
  std::vector<uint64_t> quiets;
  bool is_closed = false;
};

class WorkerPoolTest : public testing::Test {
 protected:
  WorkerPoolTest() { config_.plugins[1].idle_exit_ms = 1000; }

  void Call(const std::string& command, bool is_waited_for = true, const std::string& arguments = "{}") {
    WorkerCall call;
    call.command = table_.Find(command);
    call.origin.token = ++last_token_;
    call.channel = 3;
    call.rule = 5;
    call.arguments.Append(arguments);
    call.arrived = clock_.Now();
    call.on_reply = [this, is_waited_for](Reply reply) {
      replies_.push_back(reply.kind == Reply::Kind::kReturn    ? reply.value.ToString()
                         : reply.kind == Reply::Kind::kNothing ? "nothing"
                                                               : "error: " + reply.description);
      return is_waited_for;
    };
    pool_.Call(std::move(call));
  }
  void Turn(milliseconds by = milliseconds(0)) {
    clock_.Advance(by);
    for (int i = 0; i < 4; ++i) ASSERT_THAT(loop_->RunOnce(milliseconds(0)), IsOk());
  }
  // What the warden does: makes rings and sockets, and hands the core its ends.
  std::unique_ptr<FakeWorker> StartWorker(uint32_t number, uint32_t plugin = testing_config::kExecPlugin) {
    auto sockets = sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK);
    UniqueFd to = *wire::MakeRing(wire::kRingBytes), from = *wire::MakeRing(wire::kRingBytes);
    auto worker = std::make_unique<FakeWorker>();
    worker->link = *wire::CoreLink::Create(*loop_, std::move(sockets->second), *wire::RingReader::Create(to.get()),
                                           *wire::RingWriter::Create(from.get()), config_.generation, *worker);
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(sockets->first));
    fds.push_back(std::move(to));
    fds.push_back(std::move(from));
    pool_.OnWorkerStarted({number, plugin, 1, wire::kRingBytes}, std::move(fds));
    Turn();
    return worker;
  }
  // It never says a word. The end of its socket.
  UniqueFd StartSilentWorker(uint32_t number) {
    auto sockets = sys::SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK);
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(sockets->first));
    for (int i = 0; i < 2; ++i) fds.push_back(*wire::MakeRing(wire::kRingBytes));
    pool_.OnWorkerStarted({number, testing_config::kExecPlugin, 1, wire::kRingBytes}, std::move(fds));
    return std::move(sockets->second);
  }
  void EndWorker(std::unique_ptr<FakeWorker> worker, uint32_t number, uint32_t plugin = testing_config::kExecPlugin) {
    worker.reset();
    Turn();
    pool_.OnWorkerEnded({number, plugin, kKilledStatus, 0}, "");
    Turn();
  }
  // Its worker crashes so often, idle, and may then be started at once.
  void Crash(int times, uint32_t plugin = testing_config::kExecPlugin) {
    for (int i = 0; i < times; ++i, ++last_worker_) EndWorker(StartWorker(last_worker_, plugin), last_worker_, plugin);
  }
  void FailStart() { pool_.OnWorkerEnded({0, testing_config::kExecPlugin, 0, 0}, "no such library"); }
  WorkerStatus ExecStatus() { return pool_.Status().at(0); }
  void Answer(FakeWorker& worker, size_t request) {
    worker.link->Finish(worker.heads.at(request).id, 0, "");
    Turn();
  }

  uint64_t last_token_ = 0;
  FakeClock clock_;
  Result<EventLoop> loop_ = EventLoop::Create(clock_);
  config::Config config_ = testing_config::Open();
  CommandTable table_{config_};
  FreezeState freeze_{config_};
  FakeWarden warden_;
  WorkerPool pool_{*loop_, warden_, freeze_, config_, /*last_id=*/0};
  std::vector<std::string> replies_;
  uint32_t last_worker_ = 100;
};

TEST_F(WorkerPoolTest, StartsAWorkerOnFirstUseAndQueuesMeanwhile) {
  EXPECT_TRUE(warden_.starts.empty());
  Call("guest-get-osinfo");
  Call("guest-get-osinfo");
  EXPECT_THAT(warden_.starts, ElementsAre(testing_config::kExecPlugin));
  const auto worker = StartWorker(1);
  EXPECT_EQ(worker->heads.size(), 2u);
  EXPECT_THAT(worker->texts, ElementsAre("{}", "{}"));
  EXPECT_TRUE(replies_.empty());
}

TEST_F(WorkerPoolTest, RepliesAreReemittedInWireForm) {
  Call("guest-get-osinfo");
  const auto worker = StartWorker(1);
  ASSERT_THAT(worker->link->Write(worker->heads[0].id, AsBytes("{\"a\":1,\n\"b\":[")), IsOk());
  ASSERT_THAT(worker->link->Write(worker->heads[0].id, AsBytes("2]}")), IsOk());
  worker->link->Finish(worker->heads[0].id, 0, "");
  Turn();
  EXPECT_THAT(replies_, ElementsAre("{\"a\": 1, \"b\": [2]}"));
  EXPECT_TRUE(pool_.is_idle());
}

TEST_F(WorkerPoolTest, ReplyThatIsNoJsonNeverLeaves) {
  Call("guest-get-osinfo");
  const auto worker = StartWorker(1);
  ASSERT_THAT(worker->link->Write(worker->heads[0].id, AsBytes("{} {\"return\": 1}")), IsOk());
  worker->link->Finish(worker->heads[0].id, 0, "");
  Turn();
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_THAT(replies_[0], HasSubstr("error: worker exec sent a reply that is no JSON"));
}

TEST_F(WorkerPoolTest, NothingWrittenIsAnEmptyObjectAndSilentCommandsSayNothing) {
  Call("guest-get-osinfo");
  Call("guest-shutdown");
  const auto worker = StartWorker(1);
  worker->link->Finish(worker->heads[0].id, 0, "");
  worker->link->Finish(worker->heads[1].id, 0, "");
  Turn();
  EXPECT_THAT(replies_, ElementsAre("{}", "nothing"));
}

TEST_F(WorkerPoolTest, ErrorsKeepTheirText) {
  Call("guest-get-osinfo");
  const auto worker = StartWorker(1);
  worker->link->Finish(worker->heads[0].id, -1, "handle '7' has not been found");
  Turn();
  EXPECT_THAT(replies_, ElementsAre("error: handle '7' has not been found"));
}

TEST_F(WorkerPoolTest, AnnouncesWhatAsksTheWardenAndRetractsItWithTheAnswer) {
  Call("guest-exec");
  const auto worker = StartWorker(9);
  ASSERT_EQ(worker->heads.size(), 1u);
  const uint64_t id = worker->heads[0].id;
  ASSERT_TRUE(warden_.announced.contains(id));
  EXPECT_EQ(warden_.announced[id].worker, 9u);
  EXPECT_EQ(warden_.announced[id].channel, 3u);
  EXPECT_EQ(warden_.announced[id].rule, 5u);
  EXPECT_EQ(warden_.deadlines[id], 5000u);
  EXPECT_TRUE(warden_.retracted.empty());
  worker->link->Finish(id, 0, "");
  Turn();
  EXPECT_THAT(warden_.retracted, ElementsAre(id));
}

TEST_F(WorkerPoolTest, SendsNothingThatCouldNotBeAnnounced) {
  warden_.has_room = false;
  Call("guest-exec");
  const auto worker = StartWorker(1);
  EXPECT_TRUE(worker->heads.empty());
  warden_.has_room = true;
  pool_.OnRoom();
  Turn();
  EXPECT_EQ(worker->heads.size(), 1u);
}

TEST_F(WorkerPoolTest, KilledWorkerAnswersEachRequestThatItHeldExactlyOnce) {
  Call("guest-exec");
  Call("guest-shutdown");
  EndWorker(StartWorker(1), 1);
  EXPECT_THAT(replies_, ElementsAre("error: worker exec ended while it served this request, whose outcome is unknown: "
                                    "killed by signal 9",
                                    "error: worker exec ended while it served this request, whose outcome is unknown: "
                                    "killed by signal 9"));
  EXPECT_TRUE(pool_.is_idle());
  EXPECT_EQ(warden_.starts.size(), 1u);  // nothing waits: not before the next use
  Call("guest-exec");
  EXPECT_EQ(warden_.starts.size(), 2u);
}

TEST_F(WorkerPoolTest, IdempotentRequestIsTriedOnceMoreAndNotTwice) {
  Call("guest-get-osinfo");
  EndWorker(StartWorker(1), 1);
  EXPECT_TRUE(replies_.empty());
  EXPECT_EQ(warden_.starts.size(), 2u);
  auto second = StartWorker(2);
  EXPECT_THAT(second->texts, ElementsAre("{}"));
  EndWorker(std::move(second), 2);
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_THAT(replies_[0], HasSubstr("killed by signal 9"));
}

TEST_F(WorkerPoolTest, FailedStartAnswersAllThatWait) {
  Call("guest-exec");
  Call("guest-get-osinfo");
  pool_.OnWorkerEnded({0, testing_config::kExecPlugin, 0, 0}, "the plugin is not to be trusted");
  EXPECT_THAT(replies_, ElementsAre("error: worker exec could not be started: the plugin is not to be trusted",
                                    "error: worker exec could not be started: the plugin is not to be trusted"));
}

TEST_F(WorkerPoolTest, CancelsAtTheDeadlineAndStopsTheWorkerHalfASecondLater) {
  Call("guest-exec");
  const auto worker = StartWorker(4);
  Turn(milliseconds(4999));
  EXPECT_TRUE(worker->cancelled.empty());
  Turn(milliseconds(1));
  EXPECT_THAT(worker->cancelled, ElementsAre(worker->heads[0].id));
  EXPECT_TRUE(warden_.stops.empty());
  Turn(milliseconds(500));
  EXPECT_THAT(warden_.stops, ElementsAre(4u));
  EXPECT_THAT(replies_, ElementsAre("error: guest-exec did not finish within its deadline of 5000 ms; "
                                    "worker exec was stopped"));
}

TEST_F(WorkerPoolTest, WorkerThatHeedsTheCancellationLivesOn) {
  Call("guest-exec");
  const auto worker = StartWorker(1);
  Turn(milliseconds(5000));
  worker->link->Finish(worker->heads[0].id, -7, "cancelled");
  Turn();
  Turn(milliseconds(600));
  EXPECT_THAT(replies_, ElementsAre("error: guest-exec did not finish within its deadline of 5000 ms"));
  EXPECT_TRUE(warden_.stops.empty());
}

TEST_F(WorkerPoolTest, RequestWhoseDeadlinePassedWhileItWaitedIsNeverStarted) {
  Call("guest-exec");
  Turn(milliseconds(5000));
  EXPECT_THAT(replies_, ElementsAre("error: guest-exec was not started: its deadline of 5000 ms passed while it "
                                    "waited for worker exec"));
  const auto worker = StartWorker(1);
  EXPECT_TRUE(worker->heads.empty());
}

TEST_F(WorkerPoolTest, AbandonedCallWhoseProgramEndsWithItIsCancelledAtOnce) {
  Call("guest-exec");
  Call("exec-run");
  const auto worker = StartWorker(1);
  for (uint64_t token : {1, 2, 2, 77}) pool_.Abandon({nullptr, token});
  Turn();
  EXPECT_THAT(worker->cancelled, ElementsAre(worker->heads[1].id)) << "guest-exec is carried out";
  worker->link->Finish(worker->heads[1].id, -1, "its program was killed");
  Turn();
  EXPECT_THAT(replies_, ElementsAre("error: its program was killed"));
  Turn(milliseconds(600));
  EXPECT_TRUE(warden_.stops.empty());
}

TEST_F(WorkerPoolTest, AbandonedCallThatWasNotStartedNeverIs) {
  Call("exec-run");
  pool_.Abandon({nullptr, last_token_});
  EXPECT_TRUE(replies_.empty()) << "from within that call";
  Turn();
  EXPECT_EQ(replies_.size(), 1u);
  const auto worker = StartWorker(1);
  EXPECT_TRUE(worker->heads.empty());
}

TEST_F(WorkerPoolTest, CallsThatWaitForProgramsLeaveRoomForOthers) {
  for (size_t i = 0; i < kMaxProgramCalls + 3; ++i) Call("exec-run");
  Call("guest-get-osinfo");
  const auto worker = StartWorker(1);
  for (int i = 0; i < 20; ++i) Turn();
  ASSERT_EQ(worker->heads.size(), kMaxProgramCalls + 1);
  worker->link->Finish(worker->heads.back().id, 0, "");
  Turn();
  EXPECT_EQ(worker->heads.size(), kMaxProgramCalls + 1) << "that was not one of them";
  worker->link->Finish(worker->heads.front().id, 0, "");
  Turn();
  EXPECT_EQ(worker->heads.size(), kMaxProgramCalls + 2);
}

TEST_F(WorkerPoolTest, OthersOfAStoppedWorkerAreAnsweredWhenItHasEnded) {
  Call("guest-exec");
  Turn(milliseconds(100));
  Call("guest-shutdown");  // no deadline
  auto worker = StartWorker(1);
  Turn(milliseconds(4900));
  Turn(milliseconds(500));
  EXPECT_EQ(replies_.size(), 1u);
  Call("guest-shutdown");  // waits for the next worker
  EndWorker(std::move(worker), 1);
  EXPECT_EQ(replies_.size(), 2u);
  EXPECT_EQ(warden_.starts.size(), 2u);
}

TEST_F(WorkerPoolTest, HoldsAtMost32AtTheWorkerAndRefusesAFlood) {
  for (size_t i = 0; i < kMaxWaitingForWorker; ++i) Call("guest-shutdown");
  EXPECT_TRUE(replies_.empty());
  Call("guest-shutdown");
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_THAT(replies_[0], HasSubstr("worker exec is busy"));
  const auto worker = StartWorker(1);
  for (int i = 0; i < 20; ++i) Turn();
  EXPECT_EQ(worker->heads.size(), wire::kMaxInFlight);
  worker->link->Finish(worker->heads[0].id, 0, "");
  Turn();
  EXPECT_EQ(worker->heads.size(), wire::kMaxInFlight + 1);
}

TEST_F(WorkerPoolTest, IdleWorkerIsStoppedButNotOneThatHoldsState) {
  Call("guest-exec");
  const auto worker = StartWorker(1);
  worker->link->Hold(2);
  worker->link->Finish(worker->heads[0].id, 0, "");
  Turn();
  Turn(milliseconds(5000));
  EXPECT_TRUE(warden_.stops.empty());
  worker->link->Hold(0);
  Turn();
  Turn(milliseconds(999));
  EXPECT_TRUE(warden_.stops.empty());
  Turn(milliseconds(2));
  EXPECT_THAT(warden_.stops, ElementsAre(1u));
}

TEST_F(WorkerPoolTest, SaysWhetherTheReplyWentToTheHost) {
  Call("guest-exec", true);
  Call("guest-shutdown", false);
  const auto worker = StartWorker(1);
  for (const auto& head : worker->heads) {
    worker->link->WantSettled(head.id);
    worker->link->Finish(head.id, 0, "");
  }
  Turn();
  EXPECT_THAT(worker->settled, ElementsAre(true, false));
}

TEST_F(WorkerPoolTest, NoWorkerButTheFreezersStartsWhileFrozen) {
  freeze_.NoteHeld(testing_config::kFreezePlugin, 3, RunningTime(0));
  Call("guest-get-osinfo");
  EXPECT_THAT(replies_, ElementsAre("error: worker exec is not started while file systems are frozen"));
  Call("guest-fsfreeze-status");
  EXPECT_THAT(warden_.starts, ElementsAre(testing_config::kFreezePlugin));
}

TEST_F(WorkerPoolTest, FreezerThatHoldsStateMeansFrozen) {
  const auto worker = StartWorker(1, testing_config::kFreezePlugin);
  worker->link->Hold(1);
  Turn();
  EXPECT_TRUE(freeze_.is_frozen());
  worker->link->Hold(0);
  Turn();
  EXPECT_FALSE(freeze_.is_frozen());
}

TEST_F(WorkerPoolTest, DeadFreezerIsStartedAgainAtOnceAndMeanwhileAllIsFrozen) {
  auto worker = StartWorker(1, testing_config::kFreezePlugin);
  worker->link->Hold(1);
  Turn();
  worker.reset();
  Turn();
  pool_.OnWorkerEnded({1, testing_config::kFreezePlugin, kKilledStatus, 0}, "");
  EXPECT_THAT(warden_.starts, ElementsAre(testing_config::kFreezePlugin));
  EXPECT_TRUE(freeze_.is_frozen());
  const auto second = StartWorker(2, testing_config::kFreezePlugin);
  second->link->Hold(0);
  Turn();
  EXPECT_FALSE(freeze_.is_frozen());
}

// The warden's word of its end may be read before its own last one, which came first.
TEST_F(WorkerPoolTest, WhatAWorkerSaidBeforeItEndedIsHeard) {
  auto worker = StartWorker(1, testing_config::kFreezePlugin);
  worker->link->Hold(1);
  Turn();
  Call("guest-fsfreeze-status");
  Turn();
  worker->link->Finish(worker->heads.at(0).id, 0, "");
  worker->link->Hold(0);
  worker.reset();
  pool_.OnWorkerEnded({1, testing_config::kFreezePlugin, kKilledStatus, 0}, "");
  EXPECT_FALSE(freeze_.is_frozen());
  EXPECT_TRUE(warden_.starts.empty());
  EXPECT_THAT(replies_, ElementsAre("{}"));
}

TEST_F(WorkerPoolTest, ANewCoreTakesTheWorkerThatOutlivedTheLastOne) {
  freeze_.NoteHeld(testing_config::kFreezePlugin, 3, clock_.Now());  // as the warden says
  const auto worker = StartWorker(7, testing_config::kFreezePlugin);
  pool_.OnServe();
  EXPECT_TRUE(warden_.starts.empty());
  Call("guest-fsfreeze-status");
  Turn();
  EXPECT_EQ(worker->heads.size(), 1u);
}

TEST_F(WorkerPoolTest, ANewCoreStartsTheFreezerWhenItDiedMeanwhile) {
  freeze_.NoteHeld(testing_config::kFreezePlugin, 3, clock_.Now());
  pool_.OnServe();
  EXPECT_THAT(warden_.starts, ElementsAre(testing_config::kFreezePlugin));
}

TEST_F(WorkerPoolTest, NobodyIsStartedUnaskedWhenNothingIsFrozen) {
  pool_.OnServe();
  EXPECT_TRUE(warden_.starts.empty());
}

TEST_F(WorkerPoolTest, AThawFindsAPlaceAtAWorkerThatHasItsHandsFull) {
  for (uint32_t i = 0; i < wire::kMaxInFlight + 5; ++i) Call("guest-fsfreeze-freeze");
  const auto worker = StartWorker(1, testing_config::kFreezePlugin);
  for (int i = 0; i < 20; ++i) Turn();
  EXPECT_EQ(worker->heads.size(), wire::kMaxInFlight - 1);
  Call("guest-fsfreeze-thaw");
  for (int i = 0; i < 4; ++i) Turn();
  ASSERT_EQ(worker->heads.size(), wire::kMaxInFlight);
  EXPECT_EQ(worker->heads.back().command, 2u);
}

TEST_F(WorkerPoolTest, AThawWaitsForAnEarlierWorkerThatTheKernelHolds) {
  freeze_.NoteHeld(testing_config::kFreezePlugin, 1, clock_.Now());
  Call("guest-fsfreeze-thaw");
  pool_.OnWorkerEnded({0, testing_config::kFreezePlugin, wire::kNotTried, 0}, "an earlier process cannot be ended");
  EXPECT_TRUE(replies_.empty());
  EXPECT_EQ(warden_.starts.size(), 1u);
  Turn(kThawRetryPause);
  EXPECT_EQ(warden_.starts.size(), 2u);
  EXPECT_EQ(StartWorker(1, testing_config::kFreezePlugin)->heads.size(), 1u);
}

TEST_F(WorkerPoolTest, WhatTheFreezerSaysOfItsFreezeIsKnown) {
  const auto worker = StartWorker(1, testing_config::kFreezePlugin);
  worker->link->NoteFreeze(10'000, "");
  worker->link->Hold(2);
  Turn(milliseconds(1000));
  EXPECT_EQ(freeze_.thaws_at(), RunningTime(milliseconds(11'000)));
  worker->link->NoteFreeze(0, "time\nis over\xff");
  worker->link->Hold(0);
  Turn();
  EXPECT_EQ(freeze_.thaws_at(), std::nullopt);
  ASSERT_TRUE(freeze_.last_end().has_value());
  EXPECT_EQ(freeze_.last_end()->why, "time?is over?");
}

TEST_F(WorkerPoolTest, QuietIsSaidOnlyOnceTheFreezeIsKnown) {
  std::vector<bool> were_told;
  freeze_.OnChange([&] { were_told.push_back(freeze_.is_frozen()); });
  const auto worker = StartWorker(1, testing_config::kFreezePlugin);
  worker->link->Quiesce(1);
  Turn();
  EXPECT_THAT(worker->quiets, testing::IsEmpty());
  worker->link->Hold(1);
  worker->link->Quiesce(2);
  Turn();
  Turn();
  EXPECT_THAT(worker->quiets, ElementsAre(2u));
  EXPECT_THAT(were_told, ElementsAre(true));
}

TEST_F(WorkerPoolTest, AnotherPluginGetsNoQuiet) {
  freeze_.NoteHeld(testing_config::kFreezePlugin, 1, clock_.Now());
  const auto worker = StartWorker(1);
  worker->link->Hold(1);
  worker->link->Quiesce(2);
  Turn();
  EXPECT_THAT(worker->quiets, testing::IsEmpty());
}

// ---- renewal

TEST_F(WorkerPoolTest, AWorkerThatWantsToBeRenewedAnswersWhatItHasAndTheNextRequestGoesToAnother) {
  config_.plugins[1].idle_exit_ms = 60'000;
  auto worker = StartWorker(1);
  Turn(std::chrono::seconds(2));
  worker->on_request = [&](const wire::RequestHead& head) {
    worker->link->Renew();
    worker->link->Finish(head.id, 0, "");
  };
  Call("guest-get-osinfo");
  Turn();
  Call("guest-get-osinfo");
  Turn();
  EXPECT_THAT(replies_, ElementsAre("{}"));
  EXPECT_THAT(warden_.stops, ElementsAre(1u));
  EXPECT_EQ(worker->heads.size(), 1u);
  EndWorker(std::move(worker), 1);
  EXPECT_THAT(warden_.starts, ElementsAre(testing_config::kExecPlugin));
  const auto second = StartWorker(2);
  Turn();
  EXPECT_EQ(second->heads.size(), 1u);
  EXPECT_EQ(ExecStatus().crash_count, 0u);
}

TEST_F(WorkerPoolTest, AWorkerIsNotRenewedWhileItHoldsStateNorWhileFrozenNorWhenItIsNew) {
  const auto worker = StartWorker(1);
  worker->link->Renew();
  Turn(milliseconds(900));
  EXPECT_TRUE(warden_.stops.empty());
  worker->link->Hold(1);
  Turn(milliseconds(200));
  worker->link->Renew();
  Turn();
  EXPECT_TRUE(warden_.stops.empty());
  freeze_.NoteHeld(testing_config::kFreezePlugin, 1, clock_.Now());
  worker->link->Hold(0);
  worker->link->Renew();
  Turn();
  EXPECT_TRUE(warden_.stops.empty());
  freeze_.NoteHeld(testing_config::kFreezePlugin, 0, clock_.Now());
  worker->link->Renew();
  Turn();
  EXPECT_THAT(warden_.stops, ElementsAre(1u));
}

TEST_F(WorkerPoolTest, WhatAnotherPluginSaysOfAFreezeIsNothing) {
  const auto worker = StartWorker(1);
  worker->link->NoteFreeze(10'000, "over");
  worker->link->Hold(2);
  Turn();
  EXPECT_FALSE(freeze_.is_frozen());
  EXPECT_FALSE(freeze_.last_end().has_value());
}

// ---- crashes

TEST_F(WorkerPoolTest, FirstCrashDelaysNothingAndTheSecondAboutASecond) {
  Crash(1);
  EXPECT_EQ(ExecStatus().state, WorkerStatus::State::kStopped);
  Call("guest-exec");
  EXPECT_EQ(warden_.starts.size(), 1u);
  EndWorker(StartWorker(1), 1);
  EXPECT_EQ(ExecStatus().state, WorkerStatus::State::kDelayed);
  replies_.clear();
  Call("guest-exec");
  EXPECT_EQ(warden_.starts.size(), 1u);
  Turn(milliseconds(790));
  EXPECT_EQ(warden_.starts.size(), 1u);
  Turn(milliseconds(410));
  EXPECT_EQ(warden_.starts.size(), 2u);
  EXPECT_TRUE(replies_.empty());
}

TEST_F(WorkerPoolTest, RequestWaitsForADelayNoLongerThanItsDeadline) {
  Crash(4);  // the next start is some 4 s away
  Call("guest-exec");
  Turn(milliseconds(2500));
  Call("guest-shutdown");
  Turn(milliseconds(600));
  EXPECT_TRUE(replies_.empty());
  EXPECT_TRUE(warden_.starts.empty());
  Turn(milliseconds(1800));
  EXPECT_EQ(warden_.starts.size(), 1u);
  Turn(milliseconds(200));
  EXPECT_THAT(replies_, ElementsAre(HasSubstr("guest-exec was not started")));
}

TEST_F(WorkerPoolTest, DelayIsNotWaitedForByNobody) {
  Crash(2);
  Turn(milliseconds(5000));
  EXPECT_TRUE(warden_.starts.empty());
}

TEST_F(WorkerPoolTest, FifthCrashQuarantinesItsPluginAlone) {
  Crash(4);
  EXPECT_NE(ExecStatus().state, WorkerStatus::State::kQuarantined);
  Call("guest-exec");
  Turn(milliseconds(4800));
  EndWorker(StartWorker(1), 1);
  replies_.clear();
  Call("guest-get-osinfo");
  const std::string text =
      "worker exec is quarantined: it ended 5 times within 10 min, the last time: killed by signal 9; a restart of the "
      "service (systemctl restart reeved) releases it";
  EXPECT_THAT(replies_, ElementsAre("error: " + text));
  EXPECT_EQ(ExecStatus().state, WorkerStatus::State::kQuarantined);
  EXPECT_EQ("worker exec is quarantined: " + ExecStatus().note, text);
  EXPECT_EQ(ExecStatus().crash_count, 5u);
  EXPECT_EQ(ExecStatus().last_crash->text, "killed by signal 9");
  Call("guest-fsfreeze-status");
  EXPECT_THAT(warden_.starts, testing::Contains(testing_config::kFreezePlugin));
}

TEST_F(WorkerPoolTest, WorkerThatCannotBeStartedHasCrashed) {
  for (int i = 0; i < 5; ++i) {
    Call("guest-shutdown");  // no deadline
    Turn(std::chrono::seconds(10));
    FailStart();
    EXPECT_THAT(replies_.back(), HasSubstr("could not be started: no such library"));
  }
  EXPECT_EQ(warden_.starts.size(), 5u);
  Call("guest-shutdown");
  EXPECT_THAT(replies_.back(), HasSubstr("is quarantined: it ended 5 times within 10 min, the last time: no such"));
}

TEST_F(WorkerPoolTest, ThoseThatWaitAreAnsweredWhenTheBudgetIsSpent) {
  for (int i = 0; i < 4; ++i) FailStart();
  Turn(std::chrono::seconds(60));
  Call("guest-shutdown");
  Call("guest-get-osinfo");
  auto worker = StartWorker(1);
  Call("guest-exec");
  EndWorker(std::move(worker), 1);
  EXPECT_THAT(replies_, ElementsAre(HasSubstr("outcome is unknown"), HasSubstr("outcome is unknown"),
                                    HasSubstr("is quarantined")));
}

TEST_F(WorkerPoolTest, EarlierProcessThatCannotEndIsNoCrash) {
  Call("guest-exec");
  pool_.OnWorkerEnded({0, testing_config::kExecPlugin, wire::kNotTried, 0}, "an earlier process of it cannot be ended");
  EXPECT_THAT(replies_, ElementsAre(HasSubstr("cannot be ended")));
  EXPECT_EQ(ExecStatus().crash_count, 0u);
}

TEST_F(WorkerPoolTest, WorkerStoppedAtADeadlineHasNotCrashed) {
  Call("guest-exec");
  Call("guest-get-osinfo");
  auto worker = StartWorker(1);
  Answer(*worker, 1);
  Call("guest-shutdown");
  Turn(milliseconds(5000));
  Turn(milliseconds(500));
  replies_.clear();
  EndWorker(std::move(worker), 1);
  EXPECT_THAT(replies_,
              ElementsAre("error: worker exec ended while it served this request, whose outcome is unknown: it "
                          "was stopped because guest-exec did not finish within its deadline of 5000 ms"));
  EXPECT_EQ(ExecStatus().crash_count, 0u);
}

TEST_F(WorkerPoolTest, WorkerThatBreaksTheProtocolHasCrashed) {
  Call("guest-exec");
  auto worker = StartWorker(1);
  worker->link->Finish(worker->heads[0].id, 1, std::string(10, 'x'));
  const uint64_t never_asked = 77;
  worker->link->WantSettled(never_asked);
  Turn();
  EXPECT_THAT(warden_.stops, ElementsAre(1u));
  EndWorker(std::move(worker), 1);
  EXPECT_EQ(ExecStatus().crash_count, 1u);
  EXPECT_THAT(ExecStatus().last_crash->text, HasSubstr("broke the protocol"));
}

TEST_F(WorkerPoolTest, ThawIsTriedAtOnceWhateverHappened) {
  Crash(7, testing_config::kFreezePlugin);
  Call("guest-fsfreeze-freeze");
  EXPECT_THAT(replies_, ElementsAre(HasSubstr("worker fsfreeze is quarantined")));
  Call("guest-fsfreeze-thaw");
  EXPECT_THAT(warden_.starts, ElementsAre(testing_config::kFreezePlugin));
  const auto worker = StartWorker(1, testing_config::kFreezePlugin);
  EXPECT_EQ(worker->heads.size(), 1u);
}

TEST_F(WorkerPoolTest, WhileFrozenTheFreezerIsStartedAgainHoweverOftenItCrashes) {
  for (uint32_t number = 1; number < 10; ++number) {
    auto worker = StartWorker(number, testing_config::kFreezePlugin);
    worker->link->Hold(1);
    Turn();
    EndWorker(std::move(worker), number, testing_config::kFreezePlugin);
    Turn(std::chrono::seconds(72));  // the longest delay
    EXPECT_EQ(warden_.starts.size(), number);
  }
}

// ---- requests that crash

TEST_F(WorkerPoolTest, RequestThatWasHeldAtTwoCrashesIsRefusedAndOthersAreNot) {
  for (uint32_t number = 1; number <= 2; ++number) {
    Call("guest-exec", true, R"({"path": "bad"})");
    EndWorker(StartWorker(number), number);
  }
  replies_.clear();
  Turn(std::chrono::seconds(2));
  Call("guest-exec", true, R"({"path": "bad"})");
  EXPECT_THAT(replies_,
              ElementsAre("error: guest-exec with these arguments is refused: worker exec ended 2 times while "
                          "it served that; it is tried again 24 h later, or after a restart of the service"));
  EXPECT_EQ(ExecStatus().refused_requests, 1u);
  Call("guest-exec", true, R"({"path": "good"})");
  EXPECT_EQ(warden_.starts.size(), 3u);
  EXPECT_EQ(replies_.size(), 1u);
}

TEST_F(WorkerPoolTest, LongRequestIsRefusedAfterThree) {
  const std::string arguments = R"({"path": ")" + std::string(wire::kMaxInlineBytes, 'x') + R"("})";
  for (uint32_t number = 1; number <= 3; ++number) {
    Call("guest-exec", true, arguments);
    Turn(milliseconds(2500));
    EndWorker(StartWorker(number), number);
  }
  replies_.clear();
  Call("guest-exec", true, arguments);
  EXPECT_THAT(replies_, ElementsAre(HasSubstr("with these arguments is refused")));
}

TEST_F(WorkerPoolTest, RequestThatWasAnsweredInBetweenIsInnocent) {
  for (uint32_t number = 1; number <= 4; number += 2) {
    Call("guest-exec");
    EndWorker(StartWorker(number), number);
    Call("guest-exec");
    Turn(std::chrono::seconds(2));
    const auto worker = StartWorker(number + 1);
    Answer(*worker, 0);
    Turn(std::chrono::seconds(2));
    EndWorker(StartWorker(number + 1), number + 1);
  }
  EXPECT_EQ(ExecStatus().refused_requests, 0u);
}

TEST_F(WorkerPoolTest, SecondTriesGoOneByOneSoThatOnlyTheGuiltyIsRefused) {
  Call("guest-get-osinfo", true, R"({"a": 1})");
  Call("guest-get-osinfo", true, R"({"bad": 1})");
  Call("guest-get-osinfo", true, R"({"b": 1})");
  EndWorker(StartWorker(1), 1);
  auto second = StartWorker(2);
  EXPECT_THAT(second->texts, ElementsAre(R"({"a": 1})"));
  Answer(*second, 0);
  EXPECT_THAT(second->texts, ElementsAre(R"({"a": 1})", R"({"bad": 1})"));
  EndWorker(std::move(second), 2);
  EXPECT_EQ(replies_.size(), 2u);
  Turn(std::chrono::seconds(2));
  const auto third = StartWorker(3);
  EXPECT_THAT(third->texts, ElementsAre(R"({"b": 1})"));
  Answer(*third, 0);
  EXPECT_EQ(ExecStatus().refused_requests, 1u);
  Call("guest-exec");
  Call("guest-exec");
  Turn();
  EXPECT_EQ(third->heads.size(), 3u);  // they go side by side again
}

// ---- whether it turns

TEST_F(WorkerPoolTest, WorkerThatDoesNotTurnAfterARestIsReplacedInFiveSeconds) {
  config_.plugins[1].idle_exit_ms = 0;
  const UniqueFd silent = StartSilentWorker(1);
  Turn(std::chrono::seconds(60));
  Call("guest-shutdown");
  Turn(milliseconds(4000));
  Call("guest-get-osinfo");
  Turn(milliseconds(990));
  EXPECT_TRUE(warden_.stops.empty());
  Turn(milliseconds(10));
  EXPECT_THAT(warden_.stops, ElementsAre(1u));
  pool_.OnWorkerEnded({1, testing_config::kExecPlugin, kKilledStatus, 0}, "");
  EXPECT_THAT(replies_,
              ElementsAre("error: worker exec ended while it served this request, whose outcome is unknown: it "
                          "did not answer for 5 s and was stopped"));
  EXPECT_EQ(warden_.starts.size(), 1u);  // for the idempotent one, at once: it is no crash
  EXPECT_EQ(ExecStatus().crash_count, 0u);
}

TEST_F(WorkerPoolTest, WorkerThatAnswersThePingIsJudgedByDeadlinesOnly) {
  config_.plugins[1].idle_exit_ms = 0;
  const auto worker = StartWorker(1);
  Turn(std::chrono::seconds(60));
  Call("guest-shutdown");
  Turn();
  Turn(std::chrono::seconds(60));
  EXPECT_TRUE(warden_.stops.empty());
  EXPECT_TRUE(replies_.empty());
}

// ---- recycling

TEST_F(WorkerPoolTest, WorkerIsReplacedInAPauseAfterTenThousandRequestsUnlessItHoldsState) {
  config_.plugins[1].idle_exit_ms = 100'000;
  const auto worker = StartWorker(1);
  worker->link->Hold(1);
  for (size_t i = 0; i < WorkerHealth::kMaxServed; ++i) {
    Call("guest-shutdown");
    Turn();
    Answer(*worker, i);
  }
  Turn(milliseconds(500));
  EXPECT_TRUE(warden_.stops.empty());
  worker->link->Hold(0);
  Turn();
  Turn(milliseconds(99));
  EXPECT_TRUE(warden_.stops.empty());
  Turn(milliseconds(2));
  EXPECT_THAT(warden_.stops, ElementsAre(1u));
  EXPECT_EQ(ExecStatus().crash_count, 0u);
}

TEST_F(WorkerPoolTest, StatusTellsOfEachPluginsWorker) {
  config_.plugins[testing_config::kFreezePlugin].is_enabled = false;
  config_.plugins[testing_config::kFreezePlugin].disabled_reason = "plugin disabled in p.yaml:3";
  Call("guest-exec");
  Call("guest-exec");
  EXPECT_EQ(pool_.Status().at(0).state, WorkerStatus::State::kStarting);
  const auto worker = StartWorker(1);
  worker->link->Hold(2);
  worker->link->Finish(worker->heads[0].id, 0, "");
  Turn();
  const std::vector<WorkerStatus> all = pool_.Status();
  ASSERT_EQ(all.size(), 2u);  // the core's own commands have no worker
  EXPECT_EQ(all[0].plugin, "exec");
  EXPECT_EQ(all[0].state, WorkerStatus::State::kServing);
  EXPECT_EQ(all[0].pid, 1u);
  EXPECT_EQ(all[0].held, 2u);
  EXPECT_EQ(all[0].in_flight, 1u);
  EXPECT_EQ(all[0].start_count, 1u);
  EXPECT_EQ(all[1].state, WorkerStatus::State::kDisabled);
  EXPECT_EQ(all[1].note, "plugin disabled in p.yaml:3");
}

TEST(EndTextTest, SaysHowAProcessEnded) {
  EXPECT_EQ(EndText(SIGSYS), "killed by signal 31");
  EXPECT_EQ(EndText(3 << 8), "exited with status 3");
}

}  // namespace
}  // namespace reeve::core
