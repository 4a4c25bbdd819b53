#include <sys/wait.h>

#include "tests/abi/worker_harness.h"

namespace reeve::abi_test {
namespace {

wire::StartRecord RecordOfHello(Build build) {
  wire::StartRecord record;
  record.name = "hello";
  record.id = "com.example.hello";
  record.version = "1.0.0";
  record.abi_major = 1;
  record.generation = 5;
  record.plugin_path = PathOf(build, "hello");
  record.commands = {"__com.example_hello"};
  return record;
}

class HelloTest : public testing::TestWithParam<Build> {};

void ExpectEndsWell(WorkerHarness& worker) {
  const auto status = worker.WaitForEnd();
  ASSERT_TRUE(status) << "it still runs";
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << *status << "\n" << worker.log();
}

TEST_P(HelloTest, IsAnsweredThroughAConfinedWorker) {
  WorkerHarness worker(RecordOfHello(GetParam()));
  worker.LetServe();
  for (int i = 0; i < 100; ++i) {
    const auto reply = worker.Call(0, "{}");
    ASSERT_EQ(reply.status, 0) << reply.text;
    ASSERT_EQ(reply.json, R"({"greeting": "hello"})");
  }
}

TEST_P(HelloTest, TakesARequestLargerThanTheRing) {
  WorkerHarness worker(RecordOfHello(GetParam()));
  worker.LetServe();
  EXPECT_EQ(worker.Call(0, R"({"x": ")" + std::string(5 << 20, 'x') + "\"}").status, 0);
}

TEST_P(HelloTest, AnswersSeveralRequestsThatComeAtOnce) {
  WorkerHarness worker(RecordOfHello(GetParam()));
  worker.LetServe();
  for (uint64_t id = 1; id <= wire::kMaxInFlight; ++id) worker.Send(id, 0, "{}");
  for (uint64_t id = 1; id <= wire::kMaxInFlight; ++id) EXPECT_EQ(worker.WaitForReply(id).status, 0);
}

TEST_P(HelloTest, ACommandThatItHasNotIsRefused) {
  WorkerHarness worker(RecordOfHello(GetParam()));
  worker.LetServe();
  EXPECT_EQ(worker.Call(7, "{}").status, -10);
}

TEST_P(HelloTest, EndsWhenTheCoreIsGone) {
  WorkerHarness worker(RecordOfHello(GetParam()));
  worker.LetServe();
  worker.Call(0, "{}");
  worker.CloseCore();
  ExpectEndsWell(worker);
}

TEST_P(HelloTest, EndsWhenTheWardenAsksIt) {
  WorkerHarness worker(RecordOfHello(GetParam()));
  worker.LetServe();
  worker.Call(0, "{}");
  worker.SendAsWarden(wire::Type::kStopping);
  ExpectEndsWell(worker);
}

TEST_P(HelloTest, EndsAtAnOrderThatIsOutOfTurn) {
  WorkerHarness worker(RecordOfHello(GetParam()));
  worker.ExpectFromWorker(wire::Type::kHello);
  worker.ExpectFromWorker(wire::Type::kConfined);
  worker.SendAsWarden(wire::Type::kServe);
  const auto status = worker.WaitForEnd();
  ASSERT_TRUE(status);
  EXPECT_NE(*status, 0);
  EXPECT_THAT(worker.log(), testing::HasSubstr("must not send now"));
}

INSTANTIATE_TEST_SUITE_P(Each, HelloTest, testing::Values(Build::kOfThisTree, Build::kGolden),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace reeve::abi_test
