#include <errno.h>
#include <signal.h>

#include "base/base64.h"
#include "base/testing.h"
#include "plugins/exec/exec_plugin.h"
#include "plugins/exec/signal_name.h"
#include "tests/support/fake_agent.h"

// exec-run and exec-kill.

namespace reeve::exec {
namespace {

using std::chrono::milliseconds;
using test::Answer;
using test::FakeAgent;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr uint32_t kBothStreams = REEVE_STREAM_STDOUT | REEVE_STREAM_STDERR;

class ExecRunTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);  // as in a worker
    ASSERT_EQ(agent_.Load(), REEVE_OK);
  }

  // Begins an exec-run whose program the test plays.
  FakeAgent::FakeProgram& Begin(const std::string& more = R"("arg": [])") {
    answer_ = agent_.Begin("exec-run", R"({"path": "/bin/p", )" + more + "}");
    agent_.Turn();
    EXPECT_FALSE(answer_->is_finished) << answer_->text;
    return agent_.program();
  }
  void Turns() {
    for (int i = 0; i < 5; ++i) agent_.Turn();
  }
  // The clock counts at most 2 s at once.
  void Pass(milliseconds time) {
    for (; time > milliseconds(1000); time -= milliseconds(1000)) agent_.Advance(milliseconds(1000));
    agent_.Advance(time);
    Turns();
  }
  uint32_t StartProgram(uint32_t channel = 0) {
    EXPECT_EQ(agent_.Call("guest-exec", R"({"path": "/bin/p", "capture-output": true})", channel).status, REEVE_OK);
    return agent_.program().pid;
  }
  Answer Kill(uint32_t pid, const std::string& more = "", uint32_t channel = 0) {
    return agent_.Call("exec-kill", "{\"pid\": " + std::to_string(pid) + more + "}", channel);
  }

  FakeAgent agent_;
  std::shared_ptr<Answer> answer_;
};

// ---- exec-run

TEST_F(ExecRunTest, AnswersOnceTheProgramHasEndedAndItsOutputIsWhole) {
  FakeAgent::FakeProgram& program = Begin();
  program.Say(program.out, "hello");
  program.End(REEVE_PROGRAM_EXITED, 3);
  Turns();
  EXPECT_FALSE(answer_->is_finished);
  program.CloseOutput();
  Turns();
  EXPECT_EQ(answer_->value, R"({"timed-out": false, "exitcode": 3, "out-data": "aGVsbG8=", "out-truncated": false, )"
                            R"("exited": true})");
  EXPECT_THAT(agent_.signals(), IsEmpty());
}

TEST_F(ExecRunTest, LeavesNoRecord) {
  FakeAgent::FakeProgram& program = Begin();
  EXPECT_EQ(agent_.held(), 1u);
  program.CloseOutput();
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_TRUE(answer_->is_finished);
  EXPECT_FALSE(answer_->wants_settled);
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(ExecRunTest, ItsPidIsNobodysToAskAbout) {
  const uint32_t pid = Begin().pid;
  const std::string argument = "{\"pid\": " + std::to_string(pid) + "}";
  EXPECT_THAT(agent_.Call("guest-exec-status", argument).text, HasSubstr("does not exist"));
  EXPECT_THAT(Kill(pid).text, HasSubstr("does not exist"));
  EXPECT_THAT(agent_.signals(), IsEmpty());
}

TEST_F(ExecRunTest, CapturesBothStreamsUnlessToldOtherwise) {
  EXPECT_EQ(Begin().streams, kBothStreams);
  EXPECT_EQ(Begin(R"("capture-output": false)").streams, 0u);
  EXPECT_EQ(Begin(R"("capture-output": "merged")").streams, uint32_t{REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED});
  EXPECT_EQ(Begin(R"("input-data": "eA==")").streams, kBothStreams | REEVE_STREAM_STDIN);
}

TEST_F(ExecRunTest, StartFailureHasTheTextOfGuestExec) {
  agent_.RefusePrograms(EACCES, "exec /etc: Permission denied");
  const Answer answer = agent_.Call("exec-run", R"({"path": "/etc"})");
  EXPECT_EQ(answer.status, REEVE_ERROR_DENIED);
  EXPECT_EQ(answer.text, "Failed to execute child process \u201C/etc\u201D (Permission denied)");
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(ExecRunTest, TimeoutIsASpanOfSecondsAboveZero) {
  for (const char* timeout : {"0", "-1", "-0.5", "1e999"}) {
    const Answer answer = agent_.Call("exec-run", R"({"path": "/bin/p", "timeout": )" + std::string(timeout) + "}");
    EXPECT_EQ(answer.text, "value '" + std::string(timeout) + "' is invalid for argument timeout");
  }
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(ExecRunTest, AtTheTimeoutItIsAskedToEndAndItsOutputIsGiven) {
  FakeAgent::FakeProgram& program = Begin(R"("timeout": 1.5)");
  program.Say(program.out, "x");
  Pass(milliseconds(1400));
  EXPECT_THAT(agent_.signals(), IsEmpty());
  Pass(milliseconds(200));
  EXPECT_THAT(agent_.signals(), ElementsAre(Pair(program.number, SIGTERM)));
  program.CloseOutput();
  program.End(REEVE_PROGRAM_KILLED, SIGTERM);
  Turns();
  EXPECT_EQ(answer_->value, R"({"timed-out": true, "exitcode": 143, "out-data": "eA==", "signal": 15, )"
                            R"("out-truncated": false, "exited": true})");
}

TEST_F(ExecRunTest, WhatDoesNotEndWhenAskedIsKilled) {
  FakeAgent::FakeProgram& program = Begin(R"("timeout": 1)");
  Pass(milliseconds(2900));
  EXPECT_THAT(agent_.signals(), ElementsAre(Pair(program.number, SIGTERM)));
  Pass(milliseconds(200));
  EXPECT_THAT(agent_.signals(), ElementsAre(Pair(program.number, SIGTERM), Pair(program.number, SIGKILL)));
  program.CloseOutput();
  program.End(REEVE_PROGRAM_KILLED, SIGKILL);
  Turns();
  EXPECT_THAT(answer_->value, HasSubstr(R"("signal": 9)"));
}

TEST_F(ExecRunTest, WhatCannotEvenBeKilledIsAnsweredForAsItStands) {
  FakeAgent::FakeProgram& program = Begin(R"("timeout": 1, "input-data": "eA==")");
  program.Say(program.err, "stuck");
  Pass(milliseconds(4100));
  EXPECT_EQ(answer_->value, R"({"timed-out": true, "err-data": "c3R1Y2s=", "err-truncated": false, "exited": false})");
  EXPECT_EQ(agent_.held(), 0u);
  program.End(REEVE_PROGRAM_KILLED, SIGKILL);  // nobody reads it any more
  Turns();
}

TEST_F(ExecRunTest, GrandchildThatHoldsTheOutputIsKilledAtTheTimeoutToo) {
  FakeAgent::FakeProgram& program = Begin(R"("timeout": 1)");
  program.End(REEVE_PROGRAM_EXITED, 0);
  Pass(milliseconds(3100));
  EXPECT_THAT(agent_.signals(), ElementsAre(Pair(program.number, SIGTERM), Pair(program.number, SIGKILL)));
  program.CloseOutput();
  Turns();
  EXPECT_EQ(answer_->value, R"({"timed-out": true, "exitcode": 0, "exited": true})");
}

TEST_F(ExecRunTest, EndByTheRulesTimeoutIsSaid) {
  FakeAgent::FakeProgram& program = Begin();
  program.CloseOutput();
  program.End(REEVE_PROGRAM_KILLED, SIGTERM, /*was_timed_out=*/1);
  Turns();
  EXPECT_THAT(answer_->value, HasSubstr(R"("timed-out": true)"));
}

TEST_F(ExecRunTest, DeadlineEndsTheProgramEarlyEnoughToAnswer) {
  agent_.SetDeadline(10'000);
  FakeAgent::FakeProgram& program = Begin(R"("timeout": 60)");
  Pass(milliseconds(5900));
  EXPECT_THAT(agent_.signals(), IsEmpty());
  Pass(milliseconds(200));
  EXPECT_THAT(agent_.signals(), ElementsAre(Pair(program.number, SIGTERM)));
}

TEST_F(ExecRunTest, ShortDeadlineLeavesHalfToTheProgram) {
  agent_.SetDeadline(1000);
  Begin();
  Pass(milliseconds(400));
  EXPECT_THAT(agent_.signals(), IsEmpty());
  Pass(milliseconds(200));
  EXPECT_EQ(agent_.signals().size(), 1u);
}

TEST_F(ExecRunTest, ProgramThatEndsInTimeLeavesNoTimerBehind) {
  FakeAgent::FakeProgram& program = Begin(R"("timeout": 1)");
  program.CloseOutput();
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  Pass(milliseconds(10'000));
  EXPECT_THAT(agent_.signals(), IsEmpty());
}

TEST_F(ExecRunTest, CancelledRunKillsItsProgramAndSaysSo) {
  FakeAgent::FakeProgram& program = Begin();
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(answer_->status, REEVE_ERROR_FAILED);
  EXPECT_EQ(answer_->text, "exec-run did not finish in time: its program was killed");
  EXPECT_THAT(agent_.signals(), ElementsAre(Pair(program.number, SIGKILL)));
  EXPECT_EQ(agent_.held(), 0u);
  program.CloseOutput();
  program.End(REEVE_PROGRAM_KILLED, SIGKILL);
  Turns();
}

TEST_F(ExecRunTest, ProgramOfACancelledStartIsKilled) {
  answer_ = agent_.Begin("exec-run", R"({"path": "/bin/p"})");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(answer_->status, REEVE_ERROR_CANCELLED);
  Turns();
  EXPECT_THAT(agent_.signals(), ElementsAre(Pair(agent_.program().number, SIGKILL)));
}

TEST_F(ExecRunTest, CancelledWhileItsReplyIsWrittenIsAnsweredOnce) {
  FakeAgent::FakeProgram& program = Begin();
  program.Say(program.out, "x");
  program.CloseOutput();
  program.End(REEVE_PROGRAM_EXITED, 0);
  agent_.OnPiece([this] { agent_.CancelRequest(agent_.last_request_id()); });
  Turns();
  EXPECT_EQ(answer_->status, REEVE_ERROR_CANCELLED);
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(ExecRunTest, CountsAmongTheProgramsThatRun) {
  for (size_t i = 0; i < ExecRecords::kMaxRecords; ++i) Begin();
  EXPECT_EQ(agent_.Call("exec-run", R"({"path": "/bin/p"})").text, "too many programs: 256 run already");
}

// ---- exec-kill

TEST_F(ExecRunTest, KillAsksToEndUnlessToldOtherwise) {
  const uint32_t pid = StartProgram();
  EXPECT_EQ(Kill(pid).value, "{}");
  EXPECT_EQ(Kill(pid, R"(, "signal": "KILL")").value, "{}");
  const uint64_t number = agent_.program().number;
  EXPECT_THAT(agent_.signals(), ElementsAre(Pair(number, SIGTERM), Pair(number, SIGKILL)));
}

TEST_F(ExecRunTest, KillLeavesTheRecordToBeAskedAbout) {
  const uint32_t pid = StartProgram();
  FakeAgent::FakeProgram& program = agent_.program();
  program.Say(program.out, "x");
  Kill(pid);
  program.CloseOutput();
  program.End(REEVE_PROGRAM_KILLED, SIGTERM);
  Turns();
  EXPECT_THAT(agent_.Call("guest-exec-status", "{\"pid\": " + std::to_string(pid) + "}").value,
              HasSubstr(R"("out-data": "eA==")"));
}

TEST_F(ExecRunTest, KillOfAnUnknownPidHasTheTextOfStatus) {
  const Answer answer = Kill(77);
  EXPECT_EQ(answer.status, REEVE_ERROR_NOT_FOUND);
  EXPECT_EQ(answer.text, "PID 77 does not exist");
}

TEST_F(ExecRunTest, KillReachesNoOtherChannel) {
  const uint32_t pid = StartProgram(/*channel=*/1);
  EXPECT_THAT(Kill(pid, "", /*channel=*/2).text, HasSubstr("does not exist"));
  EXPECT_THAT(agent_.signals(), IsEmpty());
  EXPECT_EQ(Kill(pid, "", /*channel=*/1).status, REEVE_OK);
}

TEST_F(ExecRunTest, KillOfWhatHasExitedSaysSo) {
  const uint32_t pid = StartProgram();
  agent_.RefuseSignals(ESRCH, "program 1 does not run");
  const Answer answer = Kill(pid);
  EXPECT_EQ(answer.status, REEVE_ERROR_NOT_FOUND);
  EXPECT_EQ(answer.text, "PID " + std::to_string(pid) + " has exited");
}

TEST_F(ExecRunTest, CancelledKillIsAnsweredOnce) {
  const uint32_t pid = StartProgram();
  const auto answer = agent_.Begin("exec-kill", "{\"pid\": " + std::to_string(pid) + "}");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(answer->status, REEVE_ERROR_CANCELLED);
  Turns();
}

TEST(SignalNameTest, NamesAreThoseOfTheSystem) {
  for (const char* name : {"HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP"})
    EXPECT_STREQ(::sigabbrev_np(SignalOfName(name)), name);
}

}  // namespace
}  // namespace reeve::exec
