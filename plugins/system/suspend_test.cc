#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/testing.h"
#include "plugins/system/testing.h"
#include "tests/support/fake_agent.h"

namespace reeve::system {
namespace {

using test::Answer;
using test::FakeAgent;
using testing::ElementsAre;

constexpr int32_t kNotRunning = 3, kNoSuchUnit = 4;

class SuspendTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/reeve-suspend-XXXXXX";
    TheFakeMachine() = {};
    TheFakeMachine().sysfs = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(TheFakeMachine().sysfs + "/power");
    ASSERT_EQ(agent_.Load(), REEVE_OK);
  }
  void TearDown() override { std::filesystem::remove_all(TheFakeMachine().sysfs); }

  void MakeState(std::string_view states) {
    const UniqueFd file = sys::Open(StatePath(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600).value();
    EXPECT_THAT(sys::WriteAll(file.get(), AsBytes(states)), IsOk());
  }
  static std::string StatePath() { return TheFakeMachine().sysfs + "/power/state"; }
  static std::string State() { return sys::ReadFile(StatePath(), 100).value(); }

  void Begin(const std::string& command) {
    answer_ = agent_.Begin(command, "{}");
    Turns();
  }
  // Of the last program.
  std::vector<std::string> Words() { return agent_.program().arguments; }
  void End(int32_t exit_code, const std::string& said = "", uint32_t was_timed_out = 0) {
    agent_.program().Say(agent_.program().out, said);
    agent_.program().End(REEVE_PROGRAM_EXITED, exit_code, was_timed_out);
    Turns();
  }
  void Turns() {
    for (int i = 0; i < 8; ++i) agent_.Turn();
  }
  void WithoutSystemd() { agent_.RefuseProgram("systemctl", ENOENT, "no systemctl"); }
  void WithoutPmUtils() { agent_.RefuseProgram("pm-is-supported", ENOENT, "no pm-utils"); }

  FakeAgent agent_;
  std::shared_ptr<Answer> answer_;
};

TEST_F(SuspendTest, SystemdIsAskedFirstWhetherItCan) {
  struct {
    const char *command, *unit, *verb;
  } const kModes[] = {{"guest-suspend-disk", "systemd-hibernate.service", "hibernate"},
                      {"guest-suspend-ram", "systemd-suspend.service", "suspend"},
                      {"guest-suspend-hybrid", "systemd-hybrid-sleep.service", "hybrid-sleep"}};
  for (const auto& mode : kModes) {
    Begin(mode.command);
    EXPECT_THAT(Words(), ElementsAre("systemctl", "status", "--lines=0", mode.unit));
    End(kNotRunning);
    EXPECT_THAT(Words(), ElementsAre("systemctl", mode.verb));
    EXPECT_FALSE(answer_->is_finished);
    End(0);
    EXPECT_TRUE(answer_->is_finished);
    EXPECT_EQ(answer_->status, REEVE_OK);
    EXPECT_EQ(answer_->written_bytes, 0u);
  }
}

TEST_F(SuspendTest, PmUtilsAreNextWhereSystemdKnowsNoSuchUnit) {
  Begin("guest-suspend-hybrid");
  End(kNoSuchUnit);
  EXPECT_THAT(Words(), ElementsAre("pm-is-supported", "--suspend-hybrid"));
  End(0);
  EXPECT_THAT(Words(), ElementsAre("pm-suspend-hybrid"));
  End(0);
  EXPECT_EQ(answer_->status, REEVE_OK);
}

TEST_F(SuspendTest, AFailureOfSystemdMakesRoomForPmUtils) {
  Begin("guest-suspend-ram");
  End(kNotRunning);
  End(1, "Failed\n");
  EXPECT_THAT(Words(), ElementsAre("pm-is-supported", "--suspend"));
  End(0);
  EXPECT_THAT(Words(), ElementsAre("pm-suspend"));
  End(0);
  EXPECT_EQ(answer_->status, REEVE_OK);
}

TEST_F(SuspendTest, TheKernelIsLast) {
  WithoutSystemd();
  WithoutPmUtils();
  MakeState("freeze mem disk\n");
  Begin("guest-suspend-disk");
  EXPECT_TRUE(answer_->is_finished);
  EXPECT_EQ(answer_->status, REEVE_OK);
  EXPECT_EQ(State().substr(0, 4), "disk");
}

TEST_F(SuspendTest, TheKernelIsNotAskedForWhatItDoesNotList) {
  WithoutSystemd();
  WithoutPmUtils();
  MakeState("freeze memory\n");
  Begin("guest-suspend-ram");
  EXPECT_EQ(answer_->status, REEVE_ERROR_UNSUPPORTED);
  EXPECT_EQ(answer_->text, "the requested suspend mode is not supported by the guest");
  EXPECT_EQ(State(), "freeze memory\n");
}

TEST_F(SuspendTest, AGuestThatCannotSaysSo) {
  WithoutSystemd();
  WithoutPmUtils();
  for (const char* command : {"guest-suspend-disk", "guest-suspend-ram", "guest-suspend-hybrid"}) {
    Begin(command);
    EXPECT_TRUE(answer_->is_finished);
    EXPECT_EQ(answer_->text, "the requested suspend mode is not supported by the guest");
  }
}

TEST_F(SuspendTest, AFailureIsNeverSilent) {
  MakeState("freeze\n");
  Begin("guest-suspend-ram");
  End(kNotRunning);
  End(1, "Failed to suspend system via logind: Sleep verb \"suspend\" not supported\n");
  End(0);
  End(128);
  EXPECT_EQ(answer_->status, REEVE_ERROR_FAILED);
  EXPECT_EQ(answer_->text,
            "suspend to RAM failed: systemctl suspend: Failed to suspend system via logind: Sleep verb \"suspend\" not "
            "supported; pm-suspend: exit status 128");
}

TEST_F(SuspendTest, TheKernelsRefusalIsTold) {
  WithoutSystemd();
  WithoutPmUtils();
  // A file that can be read and, though opened for it, not be written.
  const UniqueFd sealed = sys::MemoryFile("state", 0).value();
  ASSERT_THAT(sys::WriteAll(sealed.get(), AsBytes(std::string_view("freeze mem disk\n"))), IsOk());
  ASSERT_THAT(sys::AddSeals(sealed.get(), F_SEAL_WRITE), IsOk());
  ASSERT_EQ(::symlink(("/proc/self/fd/" + std::to_string(sealed.get())).c_str(), StatePath().c_str()), 0);
  Begin("guest-suspend-disk");
  EXPECT_EQ(answer_->status, REEVE_ERROR_FAILED);
  EXPECT_EQ(answer_->text, "suspend to disk failed: " + StatePath() + ": Operation not permitted");
}

TEST_F(SuspendTest, WhatMayStillHappenIsNotTriedInAnotherWay) {
  MakeState("freeze mem disk\n");
  Begin("guest-suspend-ram");
  End(kNotRunning);
  End(0, "", /*was_timed_out=*/1);
  EXPECT_TRUE(answer_->is_finished);
  EXPECT_EQ(answer_->text, "suspend to RAM failed: systemctl suspend: did not end in time");
  EXPECT_EQ(State(), "freeze mem disk\n");
}

TEST_F(SuspendTest, ASleepThatIsUnderWayIsNotTriedInAnotherWay) {
  MakeState("freeze mem disk\n");
  Begin("guest-suspend-ram");
  End(kNotRunning);
  End(1, "Failed to suspend system via logind: There's already a shutdown or sleep operation in progress\n");
  EXPECT_TRUE(answer_->is_finished);
  EXPECT_EQ(
      answer_->text,
      "suspend to RAM failed: systemctl suspend: Failed to suspend system via logind: There's already a shutdown or "
      "sleep operation in progress");
  EXPECT_EQ(State(), "freeze mem disk\n");
}

TEST_F(SuspendTest, ASecondRequestIsRefusedUntilTheFirstHasEnded) {
  Begin("guest-suspend-ram");
  const Answer second = agent_.Call("guest-suspend-disk", "{}");
  EXPECT_EQ(second.status, REEVE_ERROR_FAILED);
  EXPECT_EQ(second.text, "another suspend is under way");
  // Also when the host does not wait for it any more: it may still happen.
  agent_.CancelRequest(agent_.last_request_id() - 1);
  EXPECT_EQ(agent_.Call("guest-suspend-ram", "{}").text, "another suspend is under way");
  End(kNotRunning);
  EXPECT_EQ(agent_.program_count(), 1u);
  Begin("guest-suspend-ram");
  End(kNotRunning);
  End(0);
  EXPECT_EQ(answer_->status, REEVE_OK);
}

TEST_F(SuspendTest, APolicyThatLetsNothingRunIsNamed) {
  agent_.RefusePrograms(0, "refused by policy rule 'default'");
  agent_.RefuseOpens(0, "state refused by policy");
  Begin("guest-suspend-ram");
  EXPECT_EQ(answer_->text,
            "suspend to RAM failed: systemctl status: refused by policy rule 'default'; pm-is-supported: refused by "
            "policy rule 'default'; state refused by policy");
}

TEST_F(SuspendTest, ACancelledRequestGoesNoFurther) {
  Begin("guest-suspend-ram");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(answer_->status, REEVE_ERROR_CANCELLED);
  End(kNotRunning);
  EXPECT_EQ(agent_.program_count(), 1u);
}

}  // namespace
}  // namespace reeve::system
