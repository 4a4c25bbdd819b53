#include <fcntl.h>

#include "base/sys.h"
#include "tests/abi/worker_harness.h"

// Every interface of the agent, used by a C++ plugin in the real worker and its real filters: by one built now, and by the one that
// was built when the ABI was frozen.

namespace reeve::abi_test {
namespace {

enum Command : uint32_t { kOpen, kRun, kSignal, kLater, kNever, kHold, kBlock, kLarge, kSettle, kThrow };

class ProbeTest : public testing::TestWithParam<Build> {
 protected:
  ProbeTest() : worker_(Record()) { worker_.LetServe(); }

  static wire::StartRecord Record() {
    wire::StartRecord record;
    record.name = "probe";
    record.id = "org.reeve.probe";
    record.version = "1.0.0";
    record.abi_major = 1;
    record.generation = 2;
    record.handle_base = 1000;
    record.handle_count = 65536;
    record.settings_json = R"({"word": "set"})";
    record.plugin_path = PathOf(GetParam(), "probe");
    record.commands = {"open", "run", "signal", "later", "never", "hold", "block", "large", "settle", "throw"};
    return record;
  }
  void Refuse(uint64_t id, uint32_t ask, std::string_view text) {
    const wire::Refused refused{.error_number = 13, .text_bytes = static_cast<uint32_t>(text.size()), .ask = ask};
    worker_.SendAsWarden(wire::Type::kRefused, id, BytesOf(refused), AsBytes(text));
  }

  WorkerHarness worker_;
};

TEST_P(ProbeTest, GetsAFileThatTheWardenOpens) {
  worker_.Send(1, kOpen, R"({"path": "/some/file"})");
  const auto asked = worker_.ExpectFromWorker(wire::Type::kOpenPath);
  Bytes path;
  const uint32_t ask = asked.Read<wire::OpenPath>(&path)->ask;
  EXPECT_EQ(asked.Read<wire::OpenPath>(&path)->access, 1u);
  EXPECT_EQ(AsText(path), "/some/file");
  EXPECT_EQ(asked.header.request_id, 1u);
  auto file = sys::MemoryFile("file", 0);
  REEVE_ASSERT_OK(sys::WriteAll(file->get(), AsBytes("content")));
  ::lseek(file->get(), 0, SEEK_SET);
  const int fd = file->get();
  const wire::PathOpened opened{.max_file_bytes = 10, .ask = ask};
  worker_.SendAsWarden(wire::Type::kPathOpened, 1, BytesOf(opened), {}, {&fd, 1});
  EXPECT_EQ(worker_.WaitForReply(1).json, "\"content\"");
}

TEST_P(ProbeTest, IsToldWhyAFileIsRefused) {
  worker_.Send(1, kOpen, R"({"path": "/etc/shadow"})");
  Bytes path;
  Refuse(1, worker_.ExpectFromWorker(wire::Type::kOpenPath).Read<wire::OpenPath>(&path)->ask, "not this one");
  const auto reply = worker_.WaitForReply(1);
  EXPECT_EQ(reply.status, -4);
  EXPECT_EQ(reply.text, "not this one");
}

TEST_P(ProbeTest, AStuckOpenDelaysNobody) {
  worker_.Send(1, kOpen, R"({"path": "/dead/mount"})");
  worker_.ExpectFromWorker(wire::Type::kOpenPath);
  worker_.Send(2, kBlock, "{}");
  EXPECT_EQ(worker_.WaitForReply(2).json, R"([1000, 65536, "set"])");
}

TEST_P(ProbeTest, StartsAProgramAndLearnsHowItEnded) {
  worker_.Send(1, kRun, R"({"arg": ["/bin/sh", "-c", ""]})");
  Bytes words;
  const auto part = worker_.ExpectFromWorker(wire::Type::kProgramWords);
  ASSERT_THAT(part.Read<wire::ProgramWords>(&words), IsOk());
  EXPECT_EQ(AsText(words), std::string_view("/bin/sh\0-c\0\0A=1\0", 16));
  const auto asked = worker_.ExpectFromWorker(wire::Type::kRunProgram);
  const auto run = asked.Read<wire::RunProgram>();
  REEVE_ASSERT_OK(run);
  EXPECT_EQ(run->argument_count, 3u);
  EXPECT_EQ(run->environment_count, 1u);
  EXPECT_EQ(run->has_environment, 1u);
  auto status = sys::Pipe();
  auto output = sys::Pipe();
  const wire::ProgramStatus ended{.kind = 1, .value = 42};
  REEVE_ASSERT_OK(sys::WriteAll(status->second.get(), BytesOf(ended)));
  const int fds[] = {status->first.get(), output->first.get()};
  const wire::ProgramStarted started{.program = 9, .pid = 77, .ask = run->ask};
  worker_.SendAsWarden(wire::Type::kProgramStarted, 1, BytesOf(started), {}, fds);
  EXPECT_EQ(worker_.WaitForReply(1).json, "[77, 42, true]");
}

TEST_P(ProbeTest, SendsWordsThatNeedSeveralMessages) {
  worker_.Send(1, kRun, R"({"arg": ["/bin/echo", ")" + std::string(200'000, 'w') + "\"]}");
  uint32_t received = 0;
  for (int i = 0; i < 4; ++i) {
    Bytes words;
    const auto part = worker_.ExpectFromWorker(wire::Type::kProgramWords);
    ASSERT_THAT(part.Read<wire::ProgramWords>(&words), IsOk());
    received += static_cast<uint32_t>(words.size());
  }
  EXPECT_EQ(worker_.ExpectFromWorker(wire::Type::kRunProgram).Read<wire::RunProgram>()->total_bytes, received);
}

TEST_P(ProbeTest, SignalsAProgram) {
  worker_.Send(1, kSignal, "{}");
  const auto asked = worker_.ExpectFromWorker(wire::Type::kSignalProgram).Read<wire::SignalProgram>();
  EXPECT_EQ(asked->program, 9u);
  EXPECT_EQ(asked->signal, 15);
  worker_.SendAsWarden(wire::Type::kProgramSignalled, 1, BytesOf(wire::AskNumber{asked->ask}));
  EXPECT_EQ(worker_.WaitForReply(1).json, "\"\"");
  worker_.Send(2, kSignal, "{}");
  const auto again = worker_.ExpectFromWorker(wire::Type::kSignalProgram).Read<wire::SignalProgram>();
  Refuse(2, again->ask, "it has ended");
  EXPECT_EQ(worker_.WaitForReply(2).json, "\"it has ended\"");
}

TEST_P(ProbeTest, AnAnswerToWhatWasNotAskedEndsTheWorker) {
  Refuse(5, 5, "what?");
  const auto status = worker_.WaitForEnd();
  ASSERT_TRUE(status);
  EXPECT_NE(*status, 0);
}

TEST_P(ProbeTest, AnswersFromATimerAndAPost) {
  EXPECT_EQ(worker_.Call(kLater, "{}").json, "1");
}

TEST_P(ProbeTest, TellsWhatItHolds) {
  worker_.Call(kHold, R"({"count": 3})");
  EXPECT_EQ(worker_.held(), 3u);
  worker_.Call(kHold, R"({"count": 0})");
  EXPECT_EQ(worker_.held(), 0u);
}

TEST_P(ProbeTest, SendsAReplyManyTimesTheRing) {
  constexpr size_t kBytes = 9 << 20;
  const auto reply = worker_.Call(kLarge, R"({"count": )" + std::to_string(kBytes) + "}");
  EXPECT_EQ(reply.status, 0);
  EXPECT_TRUE(reply.json == '"' + std::string(kBytes / 2, 'c') + std::string(kBytes / 2, 'p') + '"');
}

TEST_P(ProbeTest, LearnsWhetherItsReplyWasSent) {
  EXPECT_TRUE(worker_.Call(kSettle, "{}").wants_settled);
  worker_.link().Settle(1, true);
  worker_.Call(kSettle, "{}");
  worker_.link().Settle(2, false);
  EXPECT_EQ(worker_.Call(kSettle, "{}").json, "\"sent dropped \"");
}

TEST_P(ProbeTest, AnExceptionIsAnErrorAndNotTheEnd) {
  const auto reply = worker_.Call(kThrow, "{}");
  EXPECT_EQ(reply.status, -1);
  EXPECT_EQ(reply.text, "thrown in a command");
  EXPECT_EQ(worker_.Call(kLater, "{}").status, 0);
}

TEST_P(ProbeTest, ARequestThatWaitsIsCancelledWithoutThePluginKnowing) {
  for (uint64_t id = 1; id <= 5; ++id) worker_.Send(id, kNever, "{}");  // the plugin takes four at once
  EXPECT_TRUE(worker_.link().Cancel(5));
  EXPECT_EQ(worker_.WaitForReply(5).status, -7);
  EXPECT_TRUE(worker_.link().Cancel(1));
  EXPECT_EQ(worker_.WaitForReply(1).text, "given up");
}

TEST_P(ProbeTest, WhatWaitsIsTakenUpWhenAnotherIsFinished) {
  for (uint64_t id = 1; id <= 4; ++id) worker_.Send(id, kNever, "{}");
  worker_.Send(5, kLater, "{}");
  EXPECT_TRUE(worker_.link().Cancel(2));
  EXPECT_EQ(worker_.WaitForReply(5).json, "1");
}

TEST_P(ProbeTest, LogsToStandardErrorBeforeItServes) {
  worker_.Call(kBlock, "{}");
  EXPECT_THAT(worker_.log(), testing::HasSubstr("probe is started"));
}

INSTANTIATE_TEST_SUITE_P(Each, ProbeTest, testing::Values(Build::kOfThisTree, Build::kGolden),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace reeve::abi_test
