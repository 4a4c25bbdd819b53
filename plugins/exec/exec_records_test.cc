#include "plugins/exec/exec_records.h"

#include "base/testing.h"

namespace reeve::exec {
namespace {

constexpr uint32_t kChannel = 0;

ExecRecord Running(uint32_t pid, uint32_t channel = kChannel) {
  return {.channel = channel, .pid = pid};
}

ExecRecord Finished(uint32_t pid, uint64_t finished_ms = 0) {
  return {.channel = kChannel, .pid = pid, .end = ProgramEnd{}, .finished_ms = finished_ms};
}

TEST(ExecRecordsTest, ARecordIsFoundByChannelAndPid) {
  ExecRecords records;
  records.Add(Running(7, /*channel=*/1));
  EXPECT_EQ(records.Find(1, 7).value()->pid, 7u);
  EXPECT_THAT(records.Find(2, 7), FailsSaying("PID 7 does not exist"));
  EXPECT_THAT(records.Find(1, 8), FailsSaying("PID 8 does not exist"));
}

TEST(ExecRecordsTest, PidsOutOfRangeDoNotExist) {
  ExecRecords records;
  records.Add(Running(7));
  EXPECT_THAT(records.Find(kChannel, -7), FailsSaying("PID -7 does not exist"));
  EXPECT_THAT(records.Find(kChannel, (int64_t{1} << 32) + 7), FailsWith(Code::kNotFound));
}

TEST(ExecRecordsTest, PidGivenOutAgainDropsTheFinishedRecord) {
  ExecRecords records;
  const uint64_t old_serial = records.Add(Finished(7)).serial;
  const uint64_t new_serial = records.Add(Running(7)).serial;
  EXPECT_EQ(records.FindSerial(old_serial), nullptr);
  EXPECT_EQ(records.Find(kChannel, 7).value()->serial, new_serial);
}

TEST(ExecRecordsTest, PidGivenOutAgainToAnotherChannelDropsNothing) {
  ExecRecords records;
  const uint64_t old_serial = records.Add(Finished(7)).serial;
  records.Add(Running(7, kChannel + 1));
  EXPECT_EQ(records.Find(kChannel, 7).value()->serial, old_serial);
}

TEST(ExecRecordsTest, OfTwoUnfinishedRecordsOfOnePidTheYoungerIsFound) {
  ExecRecords records;
  records.Add(Running(7));
  const uint64_t new_serial = records.Add(Running(7)).serial;
  EXPECT_EQ(records.size(), 2u);
  EXPECT_EQ(records.Find(kChannel, 7).value()->serial, new_serial);
}

TEST(ExecRecordsTest, FullOfRunningProgramsRefusesAnother) {
  ExecRecords records;
  for (uint32_t pid = 1; pid <= ExecRecords::kMaxRecords; ++pid) {
    REEVE_ASSERT_OK(records.CheckRoom());
    records.Add(Running(pid));
  }
  EXPECT_THAT(records.CheckRoom(), FailsSaying("too many programs: 256 run already"));
  records.Find(kChannel, 5).value()->end = ProgramEnd{};
  EXPECT_THAT(records.CheckRoom(), IsOk());
}

TEST(ExecRecordsTest, OldestFinishedRecordMakesRoom) {
  ExecRecords records;
  records.Add(Running(1));
  for (uint32_t pid = 2; pid <= ExecRecords::kMaxRecords; ++pid) records.Add(Finished(pid));
  records.Add(Running(1000));
  EXPECT_EQ(records.size(), ExecRecords::kMaxRecords);
  EXPECT_THAT(records.Find(kChannel, 1), IsOk());
  EXPECT_THAT(records.Find(kChannel, 2), FailsWith(Code::kNotFound));
  EXPECT_THAT(records.Find(kChannel, 3), IsOk());
}

TEST(ExecRecordsTest, OutputIsBoundedOverAllRecords) {
  ExecRecords records;
  records.Add(Running(1));
  EXPECT_TRUE(records.KeepBytes(ExecRecords::kMaxCapturedBytes));
  EXPECT_FALSE(records.KeepBytes(1));
  EXPECT_EQ(records.captured_bytes(), ExecRecords::kMaxCapturedBytes);
}

TEST(ExecRecordsTest, FinishedRecordsAreDroppedAfterTheirTimeAndRunningOnesNever) {
  ExecRecords records;
  records.Add(Running(1));
  records.Add(Finished(2, /*finished_ms=*/1000));
  records.Add(Finished(3, /*finished_ms=*/2000));
  EXPECT_TRUE(records.Expire(999 + ExecRecords::kKeepFinishedMs));
  EXPECT_EQ(records.size(), 3u);
  EXPECT_TRUE(records.Expire(1000 + ExecRecords::kKeepFinishedMs));
  EXPECT_THAT(records.Find(kChannel, 2), FailsWith(Code::kNotFound));
  EXPECT_FALSE(records.Expire(2000 + ExecRecords::kKeepFinishedMs));
  EXPECT_EQ(records.size(), 1u);
}

}  // namespace
}  // namespace reeve::exec
