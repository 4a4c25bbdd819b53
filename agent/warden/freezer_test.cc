#include "agent/warden/freezer.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <new>

#include "base/log.h"
#include "base/testing.h"

namespace reeve::warden {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr uint32_t kFreezing = 1;  // the plugin with the promise
constexpr uint32_t kOther = 0;

class Lines final : public LogSink {
 public:
  void Write(Severity, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

// What a child did, seen by the test.
struct Seen {
  std::atomic<int> thaws = 0;
  std::atomic<bool> may_end = true;
  std::atomic<bool> fails = false;
};

class FreezerTest : public testing::Test {
 protected:
  FreezerTest() : loop_(*EventLoop::Create(clock_)), reaper_(loop_) {
    config_.plugins.resize(2);
    config_.plugins[kFreezing].sandbox.promises = {policy::Promise::kFreeze};
    void* const shared = ::mmap(nullptr, sizeof(Seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    seen_ = new (shared) Seen;
    SetLogSink(&log_);
    freezer_.emplace(loop_, reaper_, config_, workers_, [seen = seen_]() -> Status {
      ++seen->thaws;
      while (!seen->may_end) ::usleep(1000);
      if (seen->fails) return Fail(Code::kTimedOut, "the process that froze has not ended");
      return {};
    });
  }
  ~FreezerTest() override {
    seen_->may_end = true;
    freezer_.reset();
    SetLogSink(nullptr);
    for (const pid_t pid : children_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    ::munmap(seen_, sizeof(Seen));
  }

  // A worker that serves, whose process is a child of the test.
  Worker& AddWorker(uint32_t plugin) {
    auto worker = std::make_unique<Worker>();
    worker->id = ++last_id_;
    worker->plugin = plugin;
    worker->is_ready = true;
    worker->pid = ::fork();
    if (worker->pid == 0) {
      for (;;) ::pause();
    }
    children_.push_back(worker->pid);
    return *workers_.emplace(last_id_, std::move(worker)).first->second;
  }
  // It is dead, and as nobody reaps it, it stays.
  static void Kill(const Worker& worker) {
    ::kill(worker.pid, SIGKILL);
    siginfo_t ended;
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(worker.pid), &ended, WEXITED | WNOWAIT), 0);
  }
  void Look() {
    clock_.Advance(Freezer::kLook);
    REEVE_ASSERT_OK(loop_.RunOnce(std::chrono::milliseconds(0)));
  }
  void AwaitThaw() {
    while (freezer_->is_thawing()) REEVE_ASSERT_OK(loop_.RunOnce(std::chrono::milliseconds(20)));
  }

  FakeClock clock_;
  EventLoop loop_;
  Reaper reaper_;
  config::Config config_;
  Freezer::Workers workers_;
  Lines log_;
  Seen* seen_ = nullptr;
  uint32_t last_id_ = 0;
  std::vector<pid_t> children_;
  std::optional<Freezer> freezer_;
};

TEST_F(FreezerTest, AKeeperThatWasKilledAndDoesNotEndIsThawedForAtTheSecondLook) {
  const Worker& keeper = AddWorker(kFreezing);
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 2));
  Kill(keeper);
  Look();
  EXPECT_FALSE(freezer_->is_thawing()) << "it may be about to be reaped";
  Look();
  EXPECT_TRUE(freezer_->is_thawing());
  AwaitThaw();
  EXPECT_EQ(seen_->thaws, 1);
}

TEST_F(FreezerTest, OneThatIsThereNoMoreAtTheSecondLookIsNotThawedFor) {
  const Worker& keeper = AddWorker(kFreezing);
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 2));
  Kill(keeper);
  Look();
  workers_.clear();
  Look();
  EXPECT_FALSE(freezer_->is_thawing());
}

TEST_F(FreezerTest, TwoThatAreKilledOneAfterTheOtherAreNotOneThatDoesNotEnd) {
  const Worker& keeper = AddWorker(kFreezing);
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 2));
  Kill(keeper);
  Look();
  workers_.clear();
  Kill(AddWorker(kFreezing));
  Look();
  EXPECT_FALSE(freezer_->is_thawing());
}

TEST_F(FreezerTest, OneWhoseEndWasToldAlreadyIsThawedForWhateverTheKernelSaysOfIt) {
  Worker& keeper = AddWorker(kFreezing);
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 2));
  keeper.is_end_told = true;
  Look();
  Look();
  EXPECT_TRUE(freezer_->is_thawing());
  AwaitThaw();
}

TEST_F(FreezerTest, OneThatLivesAndADeadOneOfAnotherPluginAreLeftAlone) {
  const Worker& keeper = AddWorker(kFreezing);
  Kill(AddWorker(kOther));
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 2));
  for (int i = 0; i < 3; ++i) Look();
  EXPECT_FALSE(freezer_->is_thawing());
}

TEST_F(FreezerTest, WhileAChildThawsNoOtherOneBeginsAndOneThatCouldNotIsFollowedByAnother) {
  seen_->may_end = false;
  seen_->fails = true;
  const Worker& keeper = AddWorker(kFreezing);
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 2));
  Kill(keeper);
  for (int i = 0; i < 4; ++i) Look();
  seen_->may_end = true;
  AwaitThaw();
  EXPECT_EQ(seen_->thaws, 1);
  Look();
  AwaitThaw();
  EXPECT_EQ(seen_->thaws, 2);
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 0));
  EXPECT_THAT(log_.lines, Contains(HasSubstr("the process that froze has not ended")));
  EXPECT_THAT(log_.lines, Not(Contains(HasSubstr("earlier ones"))));
}

TEST_F(FreezerTest, OneThatDidNotThawIsThawedForOnceWhoeverAsks) {
  seen_->may_end = false;
  const Worker& keeper = AddWorker(kFreezing);
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 2));
  for (int i = 0; i < 2; ++i) freezer_->ThawForKeeper("did not");
  seen_->may_end = true;
  AwaitThaw();
  EXPECT_EQ(seen_->thaws, 1);
}

TEST_F(FreezerTest, WhereNothingIsFrozenNobodyIsLookedAt) {
  const Worker& keeper = AddWorker(kFreezing);
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 2));
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 0));
  Kill(keeper);
  for (int i = 0; i < 3; ++i) Look();
  EXPECT_FALSE(freezer_->is_thawing());
}

TEST_F(FreezerTest, LinesWaitWhileSomethingIsFrozen) {
  const Worker& keeper = AddWorker(kFreezing);
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 1));
  LogWarning("one");
  EXPECT_THAT(log_.lines, IsEmpty());
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 0));
  EXPECT_THAT(log_.lines, ElementsAre("one"));
}

TEST_F(FreezerTest, AnotherPluginMayNeitherHoldNorQuiesce) {
  const Worker& keeper = AddWorker(kFreezing);
  const Worker& other = AddWorker(kOther);
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 1));
  EXPECT_THAT(freezer_->NoteHeld(other, 0), FailsWith(Code::kBadMessage));
  EXPECT_TRUE(freezer_->is_frozen());
  EXPECT_THAT(freezer_->CheckMayQuiesce(other), FailsWith(Code::kBadMessage));
}

TEST_F(FreezerTest, ThereIsQuietOnlyForWhoHoldsSomething) {
  const Worker& keeper = AddWorker(kFreezing);
  EXPECT_THAT(freezer_->CheckMayQuiesce(keeper), FailsWith(Code::kBadMessage));
  REEVE_ASSERT_OK(freezer_->NoteHeld(keeper, 1));
  EXPECT_THAT(freezer_->CheckMayQuiesce(keeper), IsOk());
}

TEST_F(FreezerTest, TheKeeperIsOneThatServesAndHasNotEnded) {
  AddWorker(kOther);
  EXPECT_EQ(freezer_->Keeper(), nullptr);
  Worker& keeper = AddWorker(kFreezing);
  EXPECT_EQ(freezer_->Keeper(), &keeper);
  keeper.is_ready = false;
  EXPECT_EQ(freezer_->Keeper(), nullptr);
  keeper.is_ready = true;
  keeper.is_end_told = true;
  EXPECT_EQ(freezer_->Keeper(), nullptr);
}

}  // namespace
}  // namespace reeve::warden
