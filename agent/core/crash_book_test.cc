#include "agent/core/crash_book.h"

#include "base/testing.h"

namespace reeve::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr RunningTime kStart = std::chrono::hours(1);

// How long the start is put off by a crash at `at`.
RunningTime DelayOf(CrashBook& book, RunningTime at) {
  book.Note(at, "killed by signal 11");
  return book.may_start_at() - at;
}

policy::RestartRules Rules(uint32_t budget = 100) {
  policy::RestartRules rules;
  rules.budget = budget;
  return rules;
}

TEST(CrashBookTest, FirstCrashDelaysNothing) {
  CrashBook book(Rules());
  EXPECT_EQ(book.may_start_at(), RunningTime(0));
  EXPECT_EQ(DelayOf(book, kStart), RunningTime(0));
}

TEST(CrashBookTest, DelayDoublesUpToItsLongestGiveOrTakeAFifth) {
  CrashBook book(Rules());
  DelayOf(book, kStart);
  for (const int expected_s : {1, 2, 4, 8, 16, 32, 60, 60}) {
    const RunningTime delay = DelayOf(book, kStart);
    EXPECT_GE(delay, milliseconds(expected_s * 800));
    EXPECT_LE(delay, milliseconds(expected_s * 1200));
  }
}

TEST(CrashBookTest, DelaysAreUneven) {
  CrashBook one(Rules()), other(Rules());
  DelayOf(one, kStart);
  DelayOf(other, kStart);
  EXPECT_NE(DelayOf(one, kStart + std::chrono::microseconds(7)),
            DelayOf(other, kStart + std::chrono::microseconds(333)));
}

TEST(CrashBookTest, TenMinutesWithoutCrashMakeAllGood) {
  CrashBook book(Rules());
  for (int i = 0; i < 4; ++i) DelayOf(book, kStart);
  EXPECT_EQ(DelayOf(book, kStart + minutes(10)), RunningTime(0));
  EXPECT_GT(DelayOf(book, kStart + minutes(20) - milliseconds(1)), RunningTime(0));
}

TEST(CrashBookTest, BudgetIsOfOnePeriod) {
  CrashBook book(Rules(5));
  for (int i = 0; i < 20; ++i) {
    book.Note(kStart + i * minutes(3), "killed by signal 9");
    EXPECT_FALSE(book.is_quarantined()) << i;
  }
}

TEST(CrashBookTest, LastCrashOfTheBudgetQuarantinesForGoodAndSaysWhy) {
  CrashBook book(Rules(5));
  for (int i = 0; i < 4; ++i) book.Note(kStart, "exited with status 1");
  EXPECT_FALSE(book.is_quarantined());
  book.Note(kStart + seconds(599), "killed by signal 11");
  ASSERT_TRUE(book.is_quarantined());
  EXPECT_EQ(book.QuarantineText(),
            "it ended 5 times within 10 min, the last time: killed by signal 11; a restart of the service (systemctl "
            "restart reeved) releases it");
  book.Note(kStart + minutes(60), "killed by signal 6");
  EXPECT_TRUE(book.is_quarantined());
  EXPECT_EQ(book.count(), 6u);
  EXPECT_EQ(book.last()->text, "killed by signal 6");
}

}  // namespace
}  // namespace reeve::core
