#include "plugins/exec/exec_plugin.h"

#include <errno.h>
#include <signal.h>

#include "base/base64.h"
#include "base/testing.h"
#include "tests/support/fake_agent.h"

namespace reeve::exec {
namespace {

using test::Answer;
using test::FakeAgent;
using testing::ElementsAre;
using testing::HasSubstr;

std::string Encoded(std::string_view bytes) {
  return Base64Encode(AsBytes(bytes));
}

class ExecPluginTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);  // as in a worker
    ASSERT_EQ(agent_.Load(), REEVE_OK);
  }

  Answer Exec(const std::string& arguments, uint32_t channel = 0) {
    return agent_.Call("guest-exec", "{" + arguments + "}", channel);
  }
  // Starts a program that the test plays.
  FakeAgent::FakeProgram& Run(const std::string& more = R"("capture-output": true)") {
    const Answer answer = Exec(R"("path": "/bin/p", )" + more);
    EXPECT_EQ(answer.status, REEVE_OK) << answer.text;
    return agent_.program();
  }
  std::shared_ptr<Answer> Poll(uint32_t pid = 4711, uint32_t channel = 0) {
    return agent_.Begin("guest-exec-status", "{\"pid\": " + std::to_string(pid) + "}", channel);
  }
  Answer StatusAnswer(uint32_t pid = 4711, uint32_t channel = 0) {
    const auto answer = Poll(pid, channel);
    if (!answer->is_finished) agent_.Advance(std::chrono::milliseconds(ExecPlugin::kPollPatienceMs));
    EXPECT_TRUE(answer->is_finished);
    return *answer;
  }
  std::string Status(uint32_t pid = 4711) {
    const Answer answer = StatusAnswer(pid);
    EXPECT_EQ(answer.status, REEVE_OK) << answer.text;
    return answer.value;
  }
  void Turns() {
    for (int i = 0; i < 5; ++i) agent_.Turn();
  }
  // As a program that writes that much, whatever the pipe takes at once.
  void WriteThrough(const UniqueFd& stream, size_t count) {
    const std::string bytes(64 * 1024, 'x');
    while (count > 0) {
      const Result<size_t> wrote = sys::Write(stream.get(), AsBytes(bytes).first(std::min(count, bytes.size())));
      if (wrote) count -= *wrote;
      agent_.Turn();
    }
  }

  FakeAgent agent_;
};

TEST_F(ExecPluginTest, HasTheTwoCommandsOfTheSchemaAndTwoOfItsOwn) {
  EXPECT_THAT(agent_.CommandNames(),
              testing::UnorderedElementsAre("guest-exec", "guest-exec-status", "exec-run", "exec-kill"));
}

// ---- guest-exec

TEST_F(ExecPluginTest, AnswersWithThePid) {
  EXPECT_EQ(Exec(R"("path": "/bin/true")").value, R"({"pid": 4711})");
  EXPECT_EQ(agent_.held(), 1u);
}

TEST_F(ExecPluginTest, PathIsTheFirstWord) {
  Exec(R"("path": "/bin/sh", "arg": ["-c", "echo \"a\nb\" \u00e9", ""])");
  EXPECT_THAT(agent_.program().arguments, ElementsAre("/bin/sh", "-c", "echo \"a\nb\" \xc3\xa9", ""));
}

TEST_F(ExecPluginTest, AbsentEnvironmentIsNotAnEmptyOne) {
  Exec(R"("path": "/bin/true")");
  EXPECT_FALSE(agent_.program().environment.has_value());
  Exec(R"("path": "/bin/true", "env": [])");
  EXPECT_THAT(agent_.program().environment, testing::Optional(ElementsAre()));
  Exec(R"("path": "/bin/true", "env": ["A=b", "C"])");
  EXPECT_THAT(agent_.program().environment, testing::Optional(ElementsAre("A=b", "C")));
}

TEST_F(ExecPluginTest, AsksForTheStreamsOfTheCaptureModeAndOfInput) {
  const std::pair<const char*, uint32_t> rows[] = {
      {R"("capture-output": false)", 0},
      {R"("capture-output": "merged")", REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED},
      {R"("capture-output": "stderr")", REEVE_STREAM_STDERR},
      {R"("input-data": "")", REEVE_STREAM_STDIN},
      {R"("capture-output": true, "input-data": "eA==")",
       REEVE_STREAM_STDIN | REEVE_STREAM_STDOUT | REEVE_STREAM_STDERR}};
  for (const auto& [more, streams] : rows) EXPECT_EQ(Run(more).streams, streams) << more;
}

TEST_F(ExecPluginTest, StartFailureHasGlibsText) {
  agent_.RefusePrograms(ENOENT, "exec /none: No such file or directory");
  const Answer answer = Exec(R"("path": "/none")");
  EXPECT_EQ(answer.status, REEVE_ERROR_FAILED);
  EXPECT_EQ(answer.text, "Failed to execute child process \u201C/none\u201D (No such file or directory)");
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(ExecPluginTest, RefusalWithoutErrnoSpeaksItsText) {
  agent_.RefusePrograms(0, "the confinement of policy rule 'x' is not in this version");
  EXPECT_EQ(Exec(R"("path": "/bin/p")").text,
            "Failed to execute child process \u201C/bin/p\u201D (the confinement of policy rule 'x' is not in this "
            "version)");
}

TEST_F(ExecPluginTest, BadInputDataIsRefusedBeforeAnythingRuns) {
  for (const char* text : {"====", "aGVsbG8=aGVs", "aGVsbG8", "a b"}) {
    EXPECT_EQ(Exec(R"("path": "/bin/cat", "input-data": ")" + std::string(text) + "\"").text,
              "Base64 data contains invalid characters");
  }
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(ExecPluginTest, WordWithANulIsRefused) {
  for (const char* more : {R"("path": "/bin/p\u0000q")", R"("path": "/bin/p", "arg": ["a\u0000b"])",
                           R"("path": "/bin/p", "env": ["A=\u0000"])"}) {
    EXPECT_THAT(Exec(more).text, HasSubstr("(Invalid argument)")) << more;
  }
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(ExecPluginTest, RefusesOneProgramMoreThanTheLimit) {
  for (size_t i = 0; i < ExecRecords::kMaxRecords; ++i) Exec(R"("path": "/bin/p")");
  const Answer answer = Exec(R"("path": "/bin/p")");
  EXPECT_EQ(answer.status, REEVE_ERROR_LIMIT);
  EXPECT_EQ(answer.text, "too many programs: 256 run already");
  EXPECT_EQ(agent_.program_count(), ExecRecords::kMaxRecords);
}

TEST_F(ExecPluginTest, ProgramOfACancelledStartIsKilled) {
  const auto answer = agent_.Begin("guest-exec", R"({"path": "/bin/p"})");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(answer->status, REEVE_ERROR_CANCELLED);
  EXPECT_TRUE(agent_.signals().empty());
  Turns();
  EXPECT_THAT(agent_.signals(), ElementsAre(std::pair(agent_.program().number, SIGKILL)));
  EXPECT_EQ(agent_.held(), 0u);
}

// ---- guest-exec-status

TEST_F(ExecPluginTest, RunningProgramHasNotExited) {
  FakeAgent::FakeProgram& program = Run();
  program.Say(program.out, "early");
  Turns();
  EXPECT_EQ(Status(), R"({"exited": false})");
}

TEST_F(ExecPluginTest, PollWaitsALittleForTheEnd) {
  FakeAgent::FakeProgram& program = Run(R"("capture-output": false)");
  const auto early = Poll();
  agent_.Advance(std::chrono::milliseconds(ExecPlugin::kPollPatienceMs - 1));
  EXPECT_FALSE(early->is_finished);
  agent_.Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(early->value, R"({"exited": false})");
  const auto late = Poll();
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_EQ(late->value, R"({"exitcode": 0, "exited": true})");
}

TEST_F(ExecPluginTest, TwoPollsThatWaitAreBothToldOfTheEnd) {
  FakeAgent::FakeProgram& program = Run(R"("capture-output": false)");
  const auto one = Poll(), other = Poll();
  program.End(REEVE_PROGRAM_EXITED, 3);
  Turns();
  EXPECT_EQ(one->value, R"({"exitcode": 3, "exited": true})");
  EXPECT_EQ(other->value, one->value);
}

TEST_F(ExecPluginTest, CancelledPollIsAnsweredOnce) {
  Run(R"("capture-output": false)");
  const auto poll = Poll();
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(poll->status, REEVE_ERROR_CANCELLED);
  agent_.Advance(std::chrono::milliseconds(ExecPlugin::kPollPatienceMs));
}

TEST_F(ExecPluginTest, ExitCodeAndOutputInTheHostsOrder) {
  FakeAgent::FakeProgram& program = Run();
  program.Say(program.out, "to out");
  program.Say(program.err, "to err");
  program.CloseOutput();
  program.End(REEVE_PROGRAM_EXITED, 3);
  Turns();
  EXPECT_EQ(Status(), R"({"exitcode": 3, "err-data": ")" + Encoded("to err") + R"(", "out-data": ")" +
                          Encoded("to out") + R"(", "err-truncated": false, "out-truncated": false, "exited": true})");
}

TEST_F(ExecPluginTest, StreamWithoutAByteHasNoMember) {
  FakeAgent::FakeProgram& program = Run();
  program.Say(program.out, "x");
  program.CloseOutput();
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_EQ(Status(), R"({"exitcode": 0, "out-data": "eA==", "out-truncated": false, "exited": true})");
}

TEST_F(ExecPluginTest, KeepsNoMoreOfAStreamThanTheRuleAllows) {
  agent_.LimitOutput(3);
  FakeAgent::FakeProgram& program = Run();
  program.Say(program.out, "abcd");
  program.Say(program.err, "xyz");
  program.CloseOutput();
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_EQ(Status(), R"({"exitcode": 0, "err-data": ")" + Encoded("xyz") + R"(", "out-data": ")" + Encoded("abc") +
                          R"(", "err-truncated": false, "out-truncated": true, "exited": true})");
}

TEST_F(ExecPluginTest, WithoutCaptureOnlyTheEndIsWaitedFor) {
  Run(R"("capture-output": "none")").End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_EQ(Status(), R"({"exitcode": 0, "exited": true})");
}

TEST_F(ExecPluginTest, SignalComesWithAnExitCode) {
  FakeAgent::FakeProgram& program = Run();
  program.CloseOutput();
  program.End(REEVE_PROGRAM_KILLED, 9);
  Turns();
  EXPECT_EQ(Status(), R"({"exitcode": 137, "signal": 9, "exited": true})");
}

TEST_F(ExecPluginTest, StatusPipeThatEndsWithoutARecordIsNoSuccess) {
  FakeAgent::FakeProgram& program = Run();
  program.CloseOutput();
  program.status.Reset();
  Turns();
  EXPECT_EQ(Status(), R"({"exitcode": 255, "exited": true})");
}

TEST_F(ExecPluginTest, BackgroundGrandchildThatHoldsStdoutKeepsItUnfinished) {
  FakeAgent::FakeProgram& program = Run();
  UniqueFd grandchild = sys::Duplicate(program.out.get()).value();
  program.CloseOutput();
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_EQ(Status(), R"({"exited": false})");
  REEVE_ASSERT_OK(sys::Write(grandchild.get(), AsBytes("late")));
  Turns();
  EXPECT_EQ(Status(), R"({"exited": false})");
  grandchild.Reset();
  Turns();
  EXPECT_THAT(Status(), HasSubstr(Encoded("late")));
}

TEST_F(ExecPluginTest, OutputThatEndsFirstWaitsForTheProgram) {
  FakeAgent::FakeProgram& program = Run();
  program.CloseOutput();
  Turns();
  EXPECT_EQ(Status(), R"({"exited": false})");
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_EQ(Status(), R"({"exitcode": 0, "exited": true})");
}

TEST_F(ExecPluginTest, SixteenMebibytesAreWholeAndOneByteMoreIsTruncated) {
  for (const size_t extra : {0, 1}) {
    FakeAgent::FakeProgram& program = Run(R"("capture-output": "stdout")");
    WriteThrough(program.out, StreamCapture::kMaxBytes + extra);
    program.CloseOutput();
    program.End(REEVE_PROGRAM_EXITED, 0);
    Turns();
    const std::string status = Status(program.pid);
    EXPECT_THAT(status, HasSubstr(extra == 0 ? "\"out-truncated\": false" : "\"out-truncated\": true"));
    EXPECT_THAT(status, HasSubstr("\"" + Encoded(std::string(StreamCapture::kMaxBytes, 'x')) + "\""));
  }
}

TEST_F(ExecPluginTest, OutputOfAllProgramsIsBoundedAndTheOldestFinishedGoes) {
  for (int i = 0; i < 4; ++i) {
    FakeAgent::FakeProgram& program = Run(R"("capture-output": "stdout")");
    WriteThrough(program.out, StreamCapture::kMaxBytes);
    program.CloseOutput();
    program.End(REEVE_PROGRAM_EXITED, 0);
    Turns();
  }
  FakeAgent::FakeProgram& last = Run(R"("capture-output": "stdout")");
  last.Say(last.out, "x");
  Turns();
  EXPECT_EQ(StatusAnswer(4711).text, "PID 4711 does not exist");
  EXPECT_EQ(agent_.held(), 4u);
  EXPECT_EQ(StatusAnswer(4712).status, REEVE_OK);
}

TEST_F(ExecPluginTest, UnknownPidDoesNotExist) {
  const Answer answer = StatusAnswer(77);
  EXPECT_EQ(answer.status, REEVE_ERROR_NOT_FOUND);
  EXPECT_EQ(answer.text, "PID 77 does not exist");
}

TEST_F(ExecPluginTest, PidOfAnotherChannelDoesNotExist) {
  Exec(R"("path": "/bin/p")", /*channel=*/1);
  EXPECT_EQ(StatusAnswer(4711, /*channel=*/2).text, "PID 4711 does not exist");
  EXPECT_EQ(StatusAnswer(4711, /*channel=*/1).value, R"({"exited": false})");
}

TEST_F(ExecPluginTest, RecordGoesOnceTheHostWasTold) {
  Run("\"arg\": []").End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_TRUE(StatusAnswer().wants_settled);
  agent_.Settle(agent_.last_request_id(), /*was_sent=*/true);
  EXPECT_EQ(agent_.held(), 0u);
  EXPECT_EQ(StatusAnswer().text, "PID 4711 does not exist");
}

TEST_F(ExecPluginTest, DroppedReplyKeepsTheRecordAndItsOutput) {
  FakeAgent::FakeProgram& program = Run();
  program.Say(program.out, "x");
  program.CloseOutput();
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  const std::string first = Status();
  agent_.Settle(agent_.last_request_id(), /*was_sent=*/false);
  EXPECT_EQ(Status(), first);
}

TEST_F(ExecPluginTest, AnswerThatItRunsDoesNotFreeIt) {
  Run();
  EXPECT_FALSE(StatusAnswer().wants_settled);
}

TEST_F(ExecPluginTest, CancelledStatusIsAnErrorAndKeepsTheRecord) {
  FakeAgent::FakeProgram& program = Run();
  program.Say(program.out, "x");
  program.CloseOutput();
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  agent_.OnPiece([this] { agent_.CancelRequest(agent_.last_request_id()); });
  EXPECT_EQ(StatusAnswer().status, REEVE_ERROR_CANCELLED);
  agent_.OnPiece({});
  EXPECT_THAT(Status(), HasSubstr("eA=="));
}

TEST_F(ExecPluginTest, FinishedProgramNobodyAsksAboutIsForgotten) {
  Run("\"arg\": []").End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  for (uint64_t passed_ms = 0; passed_ms <= ExecRecords::kKeepFinishedMs + 120'000; passed_ms += 2000) {
    agent_.Advance(std::chrono::seconds(2));
  }
  EXPECT_EQ(agent_.held(), 0u);
  EXPECT_EQ(StatusAnswer().text, "PID 4711 does not exist");
}

// ---- input

TEST_F(ExecPluginTest, InputArrivesWholeAndEnds) {
  const std::string input(300'000, 'i');
  FakeAgent::FakeProgram& program = Run(R"("input-data": ")" + Encoded(input) + "\"");
  EXPECT_EQ(program.stdin_bytes, input.size());
  std::string arrived;
  for (;;) {
    agent_.Turn();
    uint8_t bytes[4096];
    const Result<size_t> got = sys::Read(program.in.get(), bytes);
    if (!got) continue;
    if (*got == 0) break;
    arrived += AsText({bytes, *got});
  }
  EXPECT_EQ(arrived, input);
}

TEST_F(ExecPluginTest, EmptyInputEndsAtOnce) {
  FakeAgent::FakeProgram& program = Run(R"("input-data": "")");
  Turns();
  uint8_t byte[1];
  EXPECT_EQ(sys::Read(program.in.get(), byte).value(), 0u);
}

TEST_F(ExecPluginTest, ProgramThatDoesNotReadItsInputStillFinishes) {
  FakeAgent::FakeProgram& program = Run(R"("input-data": ")" + Encoded(std::string(300'000, 'i')) + "\"");
  Turns();
  UniqueFd grandchild = sys::Duplicate(program.in.get()).value();
  program.in.Reset();
  program.End(REEVE_PROGRAM_EXITED, 0);
  Turns();
  EXPECT_EQ(Status(), R"({"exitcode": 0, "exited": true})");
  // Its grandchild gets the end of input, not the rest of it.
  size_t arrived = 0;
  std::vector<uint8_t> bytes(4096);
  for (Result<size_t> got = 1; got && *got > 0; arrived += got ? *got : 0) {
    got = sys::Read(grandchild.get(), bytes);
    Turns();
    EXPECT_TRUE(got.has_value());
  }
  EXPECT_LT(arrived, 300'000u);
}

}  // namespace
}  // namespace reeve::exec
