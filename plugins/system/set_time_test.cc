#include <cerrno>

#include "base/testing.h"
#include "plugins/system/testing.h"
#include "tests/support/fake_agent.h"

namespace reeve::system {
namespace {

using test::Answer;
using test::FakeAgent;
using testing::ElementsAre;

class SetTimeTest : public testing::Test {
 protected:
  void SetUp() override {
    TheFakeMachine() = {};
    ASSERT_EQ(agent_.Load(), REEVE_OK);
  }

  std::shared_ptr<Answer> Begin(const std::string& arguments) {
    auto answer = agent_.Begin("guest-set-time", arguments);
    Turns();
    return answer;
  }
  Answer End(const std::shared_ptr<Answer>& answer, int32_t exit_code, const std::string& said = "") {
    agent_.program().Say(agent_.program().out, said);
    agent_.program().End(REEVE_PROGRAM_EXITED, exit_code);
    Turns();
    EXPECT_TRUE(answer->is_finished);
    return *answer;
  }
  void Turns() {
    for (int i = 0; i < 5; ++i) agent_.Turn();
  }
  static std::string TimeArgument(int64_t time_ns) { return "{\"time\": " + std::to_string(time_ns) + "}"; }

  FakeAgent agent_;
};

TEST_F(SetTimeTest, SetsTheSystemClockAndThenTheHardwareClock) {
  const auto answer = Begin(TimeArgument(1'700'000'000'123'456'789));
  ASSERT_TRUE(TheFakeMachine().clock.has_value());
  EXPECT_EQ(TheFakeMachine().clock->tv_sec, 1'700'000'000);
  EXPECT_EQ(TheFakeMachine().clock->tv_nsec, 123'456'789);
  EXPECT_THAT(agent_.program().arguments, ElementsAre("hwclock", "-w"));
  EXPECT_FALSE(answer->is_finished);
  const Answer end = End(answer, 0);
  EXPECT_EQ(end.status, REEVE_OK);
  EXPECT_EQ(end.value, "{}");
}

TEST_F(SetTimeTest, WithoutATimeTheHardwareClockIsRead) {
  const auto answer = Begin("{}");
  EXPECT_FALSE(TheFakeMachine().clock.has_value());
  EXPECT_THAT(agent_.program().arguments, ElementsAre("hwclock", "-s"));
  EXPECT_EQ(End(answer, 0).status, REEVE_OK);
}

TEST_F(SetTimeTest, TakesTheYears1970To2069) {
  constexpr int64_t kNewYear2070 = 3'155'760'000;
  for (const int64_t time_ns : {int64_t{0}, kNewYear2070 * 1'000'000'000 - 1}) {
    EXPECT_FALSE(Begin(TimeArgument(time_ns))->is_finished);
    EXPECT_EQ(TheFakeMachine().clock->tv_sec, time_ns / 1'000'000'000);
  }
  TheFakeMachine() = {};
  const size_t programs = agent_.program_count();
  for (const int64_t time_ns : {int64_t{-1}, INT64_MIN, kNewYear2070 * 1'000'000'000, INT64_MAX}) {
    const Answer answer = agent_.Call("guest-set-time", TimeArgument(time_ns));
    EXPECT_EQ(answer.status, REEVE_ERROR_ARGUMENT);
    EXPECT_EQ(answer.text, "Invalid time");
  }
  EXPECT_FALSE(TheFakeMachine().clock.has_value());
  EXPECT_EQ(agent_.program_count(), programs);
}

TEST_F(SetTimeTest, AClockThatCannotBeSetLeavesTheHardwareClockAlone) {
  TheFakeMachine().clock_errno = EPERM;
  const Answer answer = agent_.Call("guest-set-time", TimeArgument(1));
  EXPECT_EQ(answer.status, REEVE_ERROR_FAILED);
  EXPECT_EQ(answer.text, "Failed to set time to guest: Operation not permitted");
  EXPECT_EQ(agent_.program_count(), 0u);
}

TEST_F(SetTimeTest, AFailureOfTheHardwareClockSaysWhatIsDone) {
  EXPECT_EQ(End(Begin(TimeArgument(1)), 1, "hwclock: Cannot access the Hardware Clock via any known method.\n").text,
            "child process has failed to set hardware clock to system time: hwclock: Cannot access the Hardware Clock "
            "via any known method. (the system clock is set)");
  EXPECT_EQ(End(Begin("{}"), 1).text, "child process has failed to set hardware clock to system time: exit status 1");
  agent_.RefusePrograms(ENOENT, "not there");
  EXPECT_EQ(agent_.Call("guest-set-time", "{}").text,
            "child process has failed to set hardware clock to system time: failed to exec '/sbin/hwclock': No such "
            "file or directory");
}

}  // namespace
}  // namespace reeve::system
