#include "agent/core/status_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/core/control_commands.h"
#include "agent/core/testing.h"
#include "base/json_parser.h"
#include "base/testing.h"

namespace reeve::core {
namespace {

using testing::HasSubstr;

class StatusReportTest : public testing::Test {
 protected:
  void SetUp() override {
    workers_[0].plugin = "exec";
    workers_[0].state = WorkerStatus::State::kServing;
  }
  std::string Report() const {
    return StatusReport({config_, facts_, frozen_for_, thaws_in_, last_freeze_, channels_, workers_});
  }

  config::Config config_ = testing_config::Open();
  wire::StatusFacts facts_{.started_at_s = 1'790'000'000, .warden_pid = 10, .core_pid = 11, .core_start_count = 1};
  std::optional<std::chrono::seconds> frozen_for_;
  std::optional<std::chrono::seconds> thaws_in_;
  std::optional<StatusSources::LastFreeze> last_freeze_;
  std::vector<ChannelStatus> channels_{{.channel = 0, .state = ChannelStatus::State::kListening, .client_count = 2}};
  std::vector<WorkerStatus> workers_ = std::vector<WorkerStatus>(1);
};

TEST_F(StatusReportTest, IsOneJsonValueThatSaysRunningWhenNothingIsWrong) {
  const std::string report = Report();
  REEVE_ASSERT_OK(json::Parse(report));
  EXPECT_THAT(report, HasSubstr("\"state\": \"running\", \"problems\": []"));
  EXPECT_THAT(report, HasSubstr("\"freeze\": {\"is-frozen\": false}"));
  EXPECT_THAT(report, HasSubstr("\"state\": \"listening\", \"clients\": 2}"));
  EXPECT_THAT(report, HasSubstr("{\"name\": \"reeve-core\", \"pid\": 11, "));
  EXPECT_EQ(report.find("reeve-log"), std::string::npos);
}

TEST_F(StatusReportTest, AQuarantinedPluginIsAProblemWithItsWayOut) {
  workers_[0].state = WorkerStatus::State::kQuarantined;
  workers_[0].note = "crashed 5 times; restart the service to release it";
  workers_[0].last_crash = WorkerStatus::Crash{"killed by its seccomp filter", std::chrono::seconds(7)};
  const std::string report = Report();
  EXPECT_THAT(report,
              HasSubstr("\"state\": \"degraded\", \"problems\": [\"plugin exec is quarantined: crashed 5 times"));
  EXPECT_THAT(report, HasSubstr("\"last-crash\": {\"text\": \"killed by its seccomp filter\", \"seconds-ago\": 7}"));
}

TEST_F(StatusReportTest, ADisabledPluginAndAFreezeAreNoProblem) {
  workers_[0].state = WorkerStatus::State::kDisabled;
  frozen_for_ = std::chrono::seconds(3);
  const std::string report = Report();
  EXPECT_THAT(report, HasSubstr("\"state\": \"running\""));
  EXPECT_THAT(report, HasSubstr("\"freeze\": {\"is-frozen\": true, \"seconds\": 3}"));
}

TEST_F(StatusReportTest, SaysHowLongAFreezeLastsYetAndHowTheLastOneEnded) {
  frozen_for_ = std::chrono::seconds(3);
  thaws_in_ = std::chrono::seconds(597);
  EXPECT_THAT(Report(), HasSubstr("\"freeze\": {\"is-frozen\": true, \"seconds\": 3, \"seconds-left\": 597}"));
  frozen_for_.reset();
  thaws_in_.reset();
  last_freeze_ = {.why = "guest-fsfreeze-thaw", .lasted = std::chrono::seconds(9), .ago = std::chrono::seconds(2)};
  EXPECT_THAT(Report(), HasSubstr("\"freeze\": {\"is-frozen\": false, \"last\": {\"why\": \"guest-fsfreeze-thaw\", "
                                  "\"seconds\": 9, \"seconds-ago\": 2}}"));
}

TEST_F(StatusReportTest, AConfigurationThatIsNotInForceIsAProblem) {
  facts_.policy_note = "the last good configuration stays in force: policy.yaml:3:1: unknown key";
  const std::string report = Report();
  EXPECT_THAT(report, HasSubstr("\"state\": \"degraded\", \"problems\": [\"the last good configuration stays"));
  EXPECT_THAT(report, HasSubstr("\"is-as-written\": false"));
}

TEST_F(StatusReportTest, AFailedChannelIsAProblemAndAWaitingOneIsNot) {
  channels_[0].state = ChannelStatus::State::kWaiting;
  EXPECT_THAT(Report(), HasSubstr("\"state\": \"running\""));
  channels_[0].state = ChannelStatus::State::kFailed;
  channels_[0].why = "open /dev/x: Permission denied";
  EXPECT_THAT(Report(), HasSubstr(": open /dev/x: Permission denied\"]"));
}

TEST(MayControlTest, OnlyRootAndTheUserOfReevedMay) {
  EXPECT_TRUE(MayControl({Peer::Kind::kUnix, 0, 0}, 1000));
  EXPECT_TRUE(MayControl({Peer::Kind::kUnix, 1000, 0}, 1000));
  EXPECT_FALSE(MayControl({Peer::Kind::kUnix, 1001, 0}, 1000));
  EXPECT_FALSE(MayControl({Peer::Kind::kVsock, 0, 2}, 0));
  EXPECT_FALSE(MayControl({Peer::Kind::kSerial, 0, 0}, 0));
}

}  // namespace
}  // namespace reeve::core
