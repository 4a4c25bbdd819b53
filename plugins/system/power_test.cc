#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "base/testing.h"
#include "tests/support/fake_agent.h"

// guest-shutdown, and what all commands have in common that run a program.

namespace reeve::system {
namespace {

using test::Answer;
using test::FakeAgent;
using testing::ElementsAre;
using testing::HasSubstr;

class PowerTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(agent_.Load(), REEVE_OK); }

  FakeAgent::FakeProgram& Begin(const std::string& arguments = "{}") {
    answer_ = agent_.Begin("guest-shutdown", arguments);
    Turns();
    return agent_.program();
  }
  void Turns() {
    for (int i = 0; i < 5; ++i) agent_.Turn();
  }
  // The last program ends, and the request with it.
  Answer End(uint32_t kind, int32_t value, const std::string& said = "", uint32_t was_timed_out = 0) {
    agent_.program().Say(agent_.program().out, said);
    agent_.program().End(kind, value, was_timed_out);
    Turns();
    EXPECT_TRUE(answer_->is_finished);
    return *answer_;
  }
  std::string TextOf(const Answer& answer) {
    EXPECT_EQ(answer.status, REEVE_ERROR_FAILED);
    return answer.text;
  }

  FakeAgent agent_;
  std::shared_ptr<Answer> answer_;
};

TEST_F(PowerTest, EachModeHasItsProgramWithoutArguments) {
  EXPECT_THAT(Begin().arguments, ElementsAre("poweroff"));
  EXPECT_THAT(Begin(R"({"mode": "powerdown"})").arguments, ElementsAre("poweroff"));
  EXPECT_THAT(Begin(R"({"mode": "halt"})").arguments, ElementsAre("halt"));
  EXPECT_THAT(Begin(R"({"mode": "reboot"})").arguments, ElementsAre("reboot"));
  EXPECT_EQ(agent_.program().streams, REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED);
}

TEST_F(PowerTest, SucceedsWhenTheProgramDoes) {
  Begin();
  EXPECT_FALSE(answer_->is_finished);
  EXPECT_EQ(agent_.held(), 1u);
  const Answer answer = End(REEVE_PROGRAM_EXITED, 0, "Shutting down.\n");
  EXPECT_EQ(answer.status, REEVE_OK);
  EXPECT_EQ(answer.written_bytes, 0u);
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(PowerTest, RefusesOtherModesInTheWordsThatHostsKnow) {
  for (const char* mode : {"", "poweroff", "Halt", "halt "}) {
    const Answer answer = agent_.Call("guest-shutdown", std::string(R"({"mode": ")") + mode + "\"}");
    EXPECT_EQ(answer.status, REEVE_ERROR_ARGUMENT);
    EXPECT_EQ(answer.text, "mode is invalid (valid values are: halt|powerdown|reboot");
  }
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(PowerTest, AGuestWithoutTheProgramIsShutDownByShutdown) {
  for (const int error_number : {ENOENT, EACCES}) {
    agent_.RefuseProgram("poweroff", error_number, "/sbin/poweroff: no");
    EXPECT_THAT(Begin().arguments, ElementsAre("shutdown", "-h", "-P", "+0", "hypervisor initiated shutdown"));
  }
  agent_.RefuseProgram("halt", ENOENT, "");
  EXPECT_THAT(Begin(R"({"mode": "halt"})").arguments,
              ElementsAre("shutdown", "-h", "-H", "+0", "hypervisor initiated shutdown"));
  agent_.RefuseProgram("reboot", ENOENT, "");
  EXPECT_THAT(Begin(R"({"mode": "reboot"})").arguments,
              ElementsAre("shutdown", "-h", "-r", "+0", "hypervisor initiated shutdown"));
  EXPECT_EQ(End(REEVE_PROGRAM_EXITED, 0).status, REEVE_OK);
}

TEST_F(PowerTest, AGuestWithoutEitherSaysSo) {
  agent_.RefusePrograms(ENOENT, "not there");
  EXPECT_EQ(TextOf(agent_.Call("guest-shutdown", "{}")),
            "child process has failed to shutdown: failed to exec '/sbin/shutdown': No such file or directory");
}

TEST_F(PowerTest, WhatPolicyRefusesIsNotTriedInAnotherWay) {
  agent_.RefusePrograms(0, "guest-shutdown refused: poweroff is not allowed");
  const Answer answer = agent_.Call("guest-shutdown", "{}");
  EXPECT_EQ(answer.status, REEVE_ERROR_DENIED);
  EXPECT_EQ(answer.text, "guest-shutdown refused: poweroff is not allowed");
}

TEST_F(PowerTest, AFailureIsToldInTheWordsOfTheProgram) {
  Begin();
  EXPECT_EQ(TextOf(End(REEVE_PROGRAM_EXITED, 1, "Failed to connect to bus\n")),
            "child process has failed to shutdown: Failed to connect to bus");
  Begin();
  EXPECT_EQ(TextOf(End(REEVE_PROGRAM_EXITED, 3)), "child process has failed to shutdown: exit status 3");
  Begin();
  EXPECT_EQ(TextOf(End(REEVE_PROGRAM_KILLED, 9)), "child process has terminated abnormally");
  Begin();
  EXPECT_EQ(TextOf(End(REEVE_PROGRAM_KILLED, 11, "oh")), "child process has terminated abnormally: oh");
  Begin();
  EXPECT_EQ(TextOf(End(REEVE_PROGRAM_KILLED, 9, "", /*was_timed_out=*/1)),
            "child process has failed to shutdown: poweroff did not end in time");
}

TEST_F(PowerTest, AProgramWhoseEndNobodySawHasNotSucceeded) {
  Begin().status.Reset();
  Turns();
  EXPECT_EQ(TextOf(*answer_), "child process has terminated abnormally");
}

TEST_F(PowerTest, OfMuchOutputTheFirstIsTold) {
  Begin();
  const std::string much(30'000, 'x');
  EXPECT_EQ(TextOf(End(REEVE_PROGRAM_EXITED, 1, much)),
            "child process has failed to shutdown: " + std::string(1024, 'x'));
}

TEST_F(PowerTest, WhoHoldsTheOutputIsNotWaitedFor) {
  FakeAgent::FakeProgram& program = Begin();
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_TRUE(program.out);
  EXPECT_TRUE(answer_->is_finished);
}

TEST_F(PowerTest, WhoWritesWithoutEndKeepsNobodyFromTheirTurn) {
  constexpr size_t kManyBytes = 1 << 20;
  FakeAgent::FakeProgram& program = Begin();
  ASSERT_GE(::fcntl(program.out.get(), F_SETPIPE_SZ, kManyBytes), static_cast<int>(kManyBytes));
  program.Say(program.out, std::string(kManyBytes, 'x'));
  agent_.Turn();
  int left_bytes = 0;
  ASSERT_EQ(::ioctl(program.out.get(), FIONREAD, &left_bytes), 0);
  EXPECT_GT(left_bytes, 0);
  program.End(REEVE_PROGRAM_EXITED, 1);
  agent_.Turn();
  EXPECT_EQ(TextOf(*answer_), "child process has failed to shutdown: " + std::string(1024, 'x'));
}

TEST_F(PowerTest, WhatIsStillInThePipeAtTheEndIsHeard) {
  FakeAgent::FakeProgram& program = Begin();
  program.End(REEVE_PROGRAM_EXITED, 1);
  program.Say(program.out, "last words");
  Turns();
  EXPECT_EQ(TextOf(*answer_), "child process has failed to shutdown: last words");
}

TEST_F(PowerTest, OutputThatEndsFirstIsKept) {
  FakeAgent::FakeProgram& program = Begin();
  program.Say(program.out, "no");
  program.CloseOutput();
  Turns();
  EXPECT_FALSE(answer_->is_finished);
  program.End(REEVE_PROGRAM_EXITED, 1);
  Turns();
  EXPECT_EQ(TextOf(*answer_), "child process has failed to shutdown: no");
}

TEST_F(PowerTest, ACancelledRequestIsAnsweredAndItsProgramGoesOn) {
  FakeAgent::FakeProgram& program = Begin();
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_TRUE(answer_->is_finished);
  EXPECT_EQ(answer_->status, REEVE_ERROR_CANCELLED);
  EXPECT_THAT(answer_->text, HasSubstr("may still happen"));
  EXPECT_TRUE(agent_.signals().empty());
  EXPECT_EQ(agent_.held(), 1u);
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_EQ(agent_.held(), 0u);
}

}  // namespace
}  // namespace reeve::system
