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

TEST_F(AuditTest, WithoutDecisionsThereIsNoLineOfAFreeze) {
  Audit silent(policy::AuditRules::Decisions::kNone, {&lines_});
  silent.RecordFreeze({}, {});
  EXPECT_THAT(lines_.lines, IsEmpty());
}

}  // namespace
}  // namespace reeve::core
