#include "agent/core/audit.h"

#include "base/json_parser.h"
#include "base/testing.h"

namespace reeve::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Lines final : public AuditSink {
 public:
  void Write(std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

class AuditTest : public testing::Test {
 protected:
  static AuditRecord Record(std::string_view command, std::string_view channel = "host") {
    AuditRecord record;
    record.channel = channel;
    record.command = command;
    return record;
  }
  Lines lines_;
  Audit audit_{policy::AuditRules::Decisions::kAll, {&lines_}};
};

TEST_F(AuditTest, WhatIsHeldIsWrittenInItsOrderWhenItIsLetGo) {
  audit_.RecordFreeze({}, {});
  audit_.Hold();
  audit_.Record(Record("guest-fsfreeze-status"));
  audit_.Record(Record("guest-fsfreeze-thaw"));
  EXPECT_THAT(lines_.lines, ElementsAre(HasSubstr("\"event\": \"freeze\"}")));
  audit_.LetGo();
  audit_.RecordFreeze("guest-fsfreeze-thaw", std::chrono::seconds(2));
  EXPECT_THAT(
      lines_.lines,
      ElementsAre(HasSubstr("\"freeze\""), HasSubstr("fsfreeze-status"), HasSubstr("fsfreeze-thaw"),
                  HasSubstr("\"event\": \"thaw\", \"why\": \"guest-fsfreeze-thaw\", \"duration_us\": 2000000}")));
  for (const std::string& line : lines_.lines) EXPECT_THAT(json::Parse(line), IsOk());
}

TEST_F(AuditTest, WhatDoesNotFitIsCounted) {
  audit_.Hold();
  const std::string channel(Audit::kMaxHeldBytes / 3, 'c');
  for (int i = 0; i < 5; ++i) audit_.Record(Record("guest-ping", channel));
  EXPECT_THAT(lines_.lines, IsEmpty());
  audit_.LetGo();
  ASSERT_THAT(lines_.lines, SizeIs(3));
  EXPECT_EQ(lines_.lines.back(), "{\"event\": \"lost\", \"records\": 3}");
}

class RunTest : public AuditTest {
 protected:
  RunTest() {
    rule_.name = "fsfreeze-hook";
    rule_.run = "/etc/qemu/fsfreeze-hook";
    rule_.as.name = "root";
    rule_.origin = {"policy.yaml", 7};
  }
  RunRecord Run(wire::RunKind kind, int32_t value = 0) const {
    return {.plugin = "fsfreeze", .rule = &rule_, .words = kWords, .number = 12, .kind = kind, .value = value};
  }
  static constexpr std::string_view kWords{"fsfreeze-hook\0thaw\0a \"b\0", 24};
  policy::ProgramRule rule_;
};

TEST_F(RunTest, ARunForNoRequestStandsUnderItsPluginsNameWithWhatItsRuleAllowed) {
  audit_.RecordRun(Run(wire::RunKind::kStarted));
  audit_.RecordRun(Run(wire::RunKind::kExited, 3));
  audit_.RecordRun(Run(wire::RunKind::kKilled, 9));
  const std::string head =
      "\"event\": \"program\", \"plugin\": \"fsfreeze\", \"program\": \"/etc/qemu/fsfreeze-hook\", "
      "\"arguments\": [\"thaw\", \"a \\\"b\"], \"user\": \"root\", \"rule\": \"fsfreeze-hook\", "
      "\"origin\": \"policy.yaml:7\", \"outcome\": ";
  EXPECT_THAT(lines_.lines, ElementsAre(HasSubstr(head + "\"started\", \"number\": 12}"),
                                        HasSubstr(head + "\"exited\", \"number\": 12, \"exit-code\": 3}"),
                                        HasSubstr(head + "\"killed\", \"number\": 12, \"signal\": 9}")));
  for (const std::string& line : lines_.lines) EXPECT_THAT(json::Parse(line), IsOk());
}

// Nobody judged these arguments: they are whatever the plugin says.
TEST_F(RunTest, OfARefusedRunTheProgramIsToldAndNotItsArguments) {
  audit_.RecordRun(
      {.plugin = "acme", .words = std::string_view("/bin/x\x01\xff\0secret\0", 16), .kind = wire::RunKind::kRefused});
  EXPECT_THAT(lines_.lines,
              ElementsAre(testing::EndsWith("\"event\": \"program\", \"plugin\": \"acme\", "
                                            "\"program\": \"/bin/x\\u0001\\uFFFD\", \"outcome\": \"refused\"}")));
  EXPECT_THAT(json::Parse(lines_.lines[0]), IsOk());
}

TEST_F(RunTest, ARunIsAuditedAsAPrivilegedCommandIs) {
  using Decisions = policy::AuditRules::Decisions;
  for (const auto& [decisions, lines] : {std::pair{Decisions::kNone, 0U},
                                         {Decisions::kDenied, 1U},
                                         {Decisions::kDeniedAndPrivileged, 2U},
                                         {Decisions::kAll, 2U}}) {
    Lines sink;
    Audit audit(decisions, {&sink});
    audit.RecordRun(Run(wire::RunKind::kStarted));
    audit.RecordRun({.plugin = "acme", .words = kWords, .kind = wire::RunKind::kRefused});
    EXPECT_THAT(sink.lines, SizeIs(lines));
  }
}

TEST_F(AuditTest, WhatAnEarlierCoreLostIsOneRecordThatComesWithTheThaw) {
  audit_.Hold();
  audit_.RecordLostOfLastCore();
  EXPECT_THAT(lines_.lines, IsEmpty());
  audit_.LetGo();
  ASSERT_THAT(lines_.lines, ElementsAre(HasSubstr("\"event\": \"lost\", \"why\": \"the core ended while")));
  EXPECT_THAT(json::Parse(lines_.lines[0]), IsOk());
}

TEST_F(AuditTest, WithoutDecisionsThereIsNoLineOfAFreeze) {
  Audit silent(policy::AuditRules::Decisions::kNone, {&lines_});
  silent.RecordFreeze({}, {});
  EXPECT_THAT(lines_.lines, IsEmpty());
}

}  // namespace
}  // namespace reeve::core
