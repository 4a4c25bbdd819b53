#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/testing.h"
#include "plugins/system/testing.h"
#include "tests/support/fake_agent.h"

// guest-set-vcpus and guest-set-memory-blocks.

namespace reeve::system {
namespace {

using test::Answer;
using test::FakeAgent;
using testing::HasSubstr;

class SwitchesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/reeve-switches-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    TheFakeMachine() = {};
    TheFakeMachine().sysfs = root_;
    ASSERT_EQ(agent_.Load(), REEVE_OK);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string Directory(const std::string& thing) const { return root_ + "/devices/system/" + thing; }
  // One without a switch when `state` is empty.
  void Make(const std::string& thing, const std::string& name = "", std::string_view state = "") {
    std::filesystem::create_directories(Directory(thing));
    if (name.empty()) return;
    const UniqueFd file = sys::Open(Directory(thing) + "/" + name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600).value();
    EXPECT_THAT(sys::WriteAll(file.get(), AsBytes(state)), IsOk());
  }
  void MakeProcessor(int number, std::string_view state) {
    Make("cpu/cpu" + std::to_string(number), state.empty() ? "" : "online", state);
  }
  void MakeBlock(int number, std::string_view state) {
    Make("memory/memory" + std::to_string(number), state.empty() ? "" : "state", state);
  }
  std::string ProcessorState(int number) const {
    return sys::ReadFile(Directory("cpu/cpu" + std::to_string(number)) + "/online", 100).value();
  }
  std::string BlockState(int number) const {
    return sys::ReadFile(Directory("memory/memory" + std::to_string(number)) + "/state", 100).value();
  }

  // `items`: {"logical-id": 1, "online": true}, ...
  Answer SetProcessors(const std::string& items) { return Run("guest-set-vcpus", "{\"vcpus\": [" + items + "]}"); }
  Answer SetBlocks(const std::string& items) {
    return Run("guest-set-memory-blocks", "{\"mem-blks\": [" + items + "]}");
  }
  Answer Run(const std::string& command, const std::string& arguments) {
    const auto answer = agent_.Begin(command, arguments);
    for (int turns = 0; turns < 20'000 && !answer->is_finished; ++turns) agent_.Turn();
    EXPECT_TRUE(answer->is_finished);
    return *answer;
  }
  static std::string Item(const char* name, int64_t number, bool online) {
    return std::string("{\"") + name + "\": " + std::to_string(number) +
           ", \"online\": " + (online ? "true" : "false") + "}";
  }
  static std::string Processor(int64_t number, bool online) { return Item("logical-id", number, online); }
  static std::string Block(int64_t number, bool online) { return Item("phys-index", number, online); }

  FakeAgent agent_;
  std::string root_;
};

// ---- guest-set-vcpus

TEST_F(SwitchesTest, ProcessorsAreSwitched) {
  MakeProcessor(1, "1\n");
  MakeProcessor(2, "0\n");
  const Answer answer = SetProcessors(Processor(1, false) + ", " + Processor(2, true));
  EXPECT_EQ(answer.value, "2");
  EXPECT_EQ(ProcessorState(1), "0\n");
  EXPECT_EQ(ProcessorState(2), "1\n");
}

TEST_F(SwitchesTest, AProcessorInTheWantedStateIsNotWritten) {
  MakeProcessor(1, "1\n");
  MakeProcessor(2, "0\n");
  // Online as well, and another text than would be written.
  MakeProcessor(3, "2\n");
  EXPECT_EQ(SetProcessors(Processor(1, true) + ", " + Processor(2, false) + ", " + Processor(3, true)).value, "3");
  EXPECT_EQ(ProcessorState(3), "2\n");
}

TEST_F(SwitchesTest, NoProcessorsAreNone) {
  EXPECT_EQ(SetProcessors("").value, "0");
  EXPECT_TRUE(agent_.opens().empty());
}

TEST_F(SwitchesTest, AProcessorWithoutSwitchIsOnlineForEver) {
  MakeProcessor(0, "");
  EXPECT_EQ(SetProcessors(Processor(0, true)).value, "1");
  const Answer answer = SetProcessors(Processor(0, false));
  EXPECT_EQ(answer.status, REEVE_ERROR_FAILED);
  EXPECT_EQ(answer.text, "logical processor #0 can't be offlined");
}

TEST_F(SwitchesTest, AProcessorThatIsNotThereIsNamed) {
  for (const int number : {99, -1}) {
    const Answer answer = SetProcessors(Processor(number, true));
    EXPECT_EQ(answer.status, REEVE_ERROR_FAILED);
    EXPECT_EQ(answer.text,
              "Could not open '" + Directory("cpu/cpu" + std::to_string(number)) + "/': No such file or directory");
  }
}

TEST_F(SwitchesTest, TheFirstFailureEndsItAndOnlyOneAtTheStartIsAnError) {
  MakeProcessor(0, "");
  MakeProcessor(1, "1\n");
  MakeProcessor(2, "1\n");
  EXPECT_EQ(SetProcessors(Processor(1, false) + ", " + Processor(0, false) + ", " + Processor(2, false)).value, "1");
  EXPECT_EQ(ProcessorState(1), "0\n");
  EXPECT_EQ(ProcessorState(2), "1\n");
  EXPECT_EQ(SetProcessors(Processor(0, false) + ", " + Processor(2, false)).status, REEVE_ERROR_FAILED);
  EXPECT_EQ(ProcessorState(2), "1\n");
}

TEST_F(SwitchesTest, TheKernelsRefusalIsAnError) {
  MakeProcessor(1, "");
  // A switch that reads, and takes nothing.
  ASSERT_EQ(::symlink("/dev/full", (Directory("cpu/cpu1") + "/online").c_str()), 0);
  const Answer answer = SetProcessors(Processor(1, false));
  EXPECT_EQ(answer.text, "pwrite(\"" + Directory("cpu/cpu1") + "/online\"): No space left on device");
  Make("cpu/cpu2", "online", "");
  EXPECT_THAT(SetProcessors(Processor(2, false)).text, HasSubstr("unexpected EOF"));
}

TEST_F(SwitchesTest, RefusedProcessorsAreAnErrorWithPolicysText) {
  agent_.RefuseOpens(0, "guest-set-vcpus refused: by policy");
  const Answer answer = SetProcessors(Processor(1, true));
  EXPECT_EQ(answer.status, REEVE_ERROR_DENIED);
  EXPECT_EQ(answer.text, "guest-set-vcpus refused: by policy");
  agent_.RefuseOpens(EIO, "");
  EXPECT_EQ(SetProcessors(Processor(1, true)).text,
            "open(\"" + Directory("cpu/cpu1") + "/online\"): Input/output error");
}

TEST_F(SwitchesTest, FiveHundredAndTwelveProcessorsAreSwitchedInOneRequest) {
  std::string items;
  for (int i = 0; i < 512; ++i) {
    MakeProcessor(i, i == 0 ? "" : "1\n");
    items += (i == 0 ? "" : ", ") + Processor(i, i == 0);
  }
  EXPECT_EQ(SetProcessors(items).value, "512");
  EXPECT_EQ(ProcessorState(511), "0\n");
}

TEST_F(SwitchesTest, MoreProcessorsThanARequestMayAskForAreLeftForTheNext) {
  MakeProcessor(1, "1\n");
  std::string items;
  for (int i = 0; i < 2100; ++i) items += (i == 0 ? "" : ", ") + Processor(1, i % 2 == 0);
  EXPECT_EQ(SetProcessors(items).value, "2048");
}

TEST_F(SwitchesTest, WhenTimeRunsOutTheHostLearnsHowManyWereSwitched) {
  MakeProcessor(1, "1\n");
  agent_.SetDeadline(10'000);
  agent_.HoldOpens();
  const auto answer =
      agent_.Begin("guest-set-vcpus", "{\"vcpus\": [" + Processor(1, false) + ", " + Processor(1, true) + "]}");
  for (int i = 0; i < 6; ++i) agent_.Advance(std::chrono::seconds(1));
  agent_.AnswerOpens();
  EXPECT_TRUE(answer->is_finished);
  EXPECT_EQ(answer->value, "1");
  EXPECT_EQ(ProcessorState(1), "0\n");
}

TEST_F(SwitchesTest, ACancelledRequestSwitchesNothingMore) {
  MakeProcessor(1, "1\n");
  agent_.HoldOpens();
  const auto answer = agent_.Begin("guest-set-vcpus", "{\"vcpus\": [" + Processor(1, false) + "]}");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_EQ(answer->status, REEVE_ERROR_CANCELLED);
  agent_.AnswerOpens();
  EXPECT_EQ(ProcessorState(1), "1\n");
}

// ---- guest-set-memory-blocks

TEST_F(SwitchesTest, EachMemoryBlockHasItsResult) {
  MakeBlock(1, "online\n");
  MakeBlock(2, "offline\n");
  MakeBlock(3, "");
  MakeBlock(4, "");
  ASSERT_EQ(::symlink("/dev/full", (Directory("memory/memory4") + "/state").c_str()), 0);
  MakeBlock(6, "online\n");
  const Answer answer = SetBlocks(Block(1, false) + ", " + Block(2, true) + ", " + Block(3, false) + ", " +
                                  Block(4, true) + ", " + Block(5, true) + ", " + Block(6, true));
  EXPECT_EQ(
      answer.value,
      R"([{"phys-index": 1, "response": "success"}, {"phys-index": 2, "response": "success"}, )"
      R"({"phys-index": 3, "response": "operation-not-supported", "error-code": 2}, )"
      R"({"phys-index": 4, "response": "operation-failed", "error-code": 28}, )"
      R"({"phys-index": 5, "response": "not-found", "error-code": 2}, {"phys-index": 6, "response": "success"}])");
  EXPECT_EQ(BlockState(1), "offline");
  EXPECT_EQ(BlockState(2), "onlinee\n");  // the kernel's file is not a text that gets longer
  EXPECT_EQ(BlockState(6), "online\n");
}

TEST_F(SwitchesTest, ABlockWithoutSwitchIsOnline) {
  MakeBlock(3, "");
  EXPECT_EQ(SetBlocks(Block(3, true)).value, R"([{"phys-index": 3, "response": "success"}])");
}

TEST_F(SwitchesTest, NoBlocksAreNone) {
  EXPECT_EQ(SetBlocks("").value, "[]");
}

TEST_F(SwitchesTest, ANumberBeyondTheKernelsIsNotFound) {
  EXPECT_EQ(
      Run("guest-set-memory-blocks", R"({"mem-blks": [{"phys-index": 18446744073709551615, "online": true}]})").value,
      R"([{"phys-index": 18446744073709551615, "response": "not-found", "error-code": 2}])");
}

TEST_F(SwitchesTest, RefusedBlocksAreAnErrorWithPolicysText) {
  agent_.RefuseOpens(0, "guest-set-memory-blocks refused: by policy");
  const Answer answer = SetBlocks(Block(1, true));
  EXPECT_EQ(answer.status, REEVE_ERROR_DENIED);
  EXPECT_EQ(answer.text, "guest-set-memory-blocks refused: by policy");
  agent_.RefuseOpens(EACCES, "");
  EXPECT_EQ(SetBlocks(Block(1, true)).value,
            R"([{"phys-index": 1, "response": "operation-failed", "error-code": 13}])");
}

TEST_F(SwitchesTest, TooManyBlocksAreRefusedBeforeAnyIsTried) {
  MakeBlock(1, "online\n");
  std::string items = Block(1, false);
  for (int i = 0; i < 2048; ++i) items += ", " + Block(1, false);
  const Answer answer = SetBlocks(items);
  EXPECT_EQ(answer.status, REEVE_ERROR_LIMIT);
  EXPECT_THAT(answer.text, HasSubstr("2049 memory blocks"));
  EXPECT_EQ(BlockState(1), "online\n");
}

TEST_F(SwitchesTest, BlocksThatTimeDoesNotSufficeForAreToBeTriedAgain) {
  MakeBlock(1, "online\n");
  MakeBlock(2, "online\n");
  agent_.SetDeadline(10'000);
  agent_.HoldOpens();
  const auto answer =
      agent_.Begin("guest-set-memory-blocks", "{\"mem-blks\": [" + Block(1, false) + ", " + Block(2, false) + "]}");
  for (int i = 0; i < 6; ++i) agent_.Advance(std::chrono::seconds(1));
  agent_.AnswerOpens();
  EXPECT_EQ(
      answer->value,
      R"([{"phys-index": 1, "response": "success"}, {"phys-index": 2, "response": "operation-failed", "error-code": 11}])");
  EXPECT_EQ(BlockState(2), "online\n");
}

}  // namespace
}  // namespace reeve::system
