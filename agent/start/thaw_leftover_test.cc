#include "agent/start/thaw_leftover.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/log.h"
#include "base/sys.h"
#include "base/testing.h"
#include "storage/freeze_list.h"

namespace reeve::start {
namespace {

using storage::FreezeEntry;
using storage::FreezeListFile;
using storage::FreezeListState;

// Of no file system of any machine: the kernel gives no device that number, so nothing can be thawed by these tests.
const FreezeEntry kNowhere{{4095, 1048575}, "/nonexistent-mount-point-of-a-test"};

class ThawLeftoverTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/reeve-thaw-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string ListPath() const { return directory_ + "/state/fsfreeze"; }
  void WriteList() {
    std::filesystem::create_directory(directory_ + "/state");
    auto file = sys::Open(ListPath(), O_RDWR | O_CREAT, 0600);
    REEVE_ASSERT_OK(file);
    list_ = std::move(*file);
    FreezeListFile writer(list_.get());
    REEVE_ASSERT_OK(writer.Begin(std::chrono::minutes(10)));
    REEVE_ASSERT_OK(writer.Add(kNowhere));
    REEVE_ASSERT_OK(writer.SetFrozen());
  }
  FreezeListState State() { return FreezeListFile(list_.get()).Read()->state; }

  std::string directory_;
  UniqueFd list_;
};

TEST_F(ThawLeftoverTest, WithoutAListThereIsNothingToDo) {
  EXPECT_THAT(ThawLeftover(directory_ + "/missing", Thawing::kFirst), IsOk());
  EXPECT_THAT(ThawLeftover(directory_, Thawing::kOnDemand), IsOk());
  WriteList();
  REEVE_ASSERT_OK(FreezeListFile(list_.get()).Clear());
  EXPECT_THAT(ThawLeftover(directory_, Thawing::kOnDemand), IsOk());
}

TEST_F(ThawLeftoverTest, WhatCannotBeReachedIsSaidAndTheListStays) {
  WriteList();
  EXPECT_THAT(ThawLeftover(directory_, Thawing::kOnDemand), FailsSaying("1 file systems may still be frozen"));
  EXPECT_EQ(State(), FreezeListState::kFrozen);
}

// Whoever wrote it may have been taken over.
TEST_F(ThawLeftoverTest, AListOfThousandsFillsNoLog) {
  class Lines final : public LogSink {
   public:
    void Write(Severity, std::string_view) override { ++count; }
    size_t count = 0;
  } lines;
  WriteList();
  FreezeListFile writer(list_.get());
  writer.Adopt(*writer.Read());
  for (uint32_t i = 0; i < 5000; ++i)
    REEVE_ASSERT_OK(writer.Add({{4095, i}, "/nonexistent-mount-point-" + std::to_string(i)}));
  SetLogSink(&lines);
  EXPECT_THAT(ThawLeftover(directory_, Thawing::kOnDemand), FailsSaying("5001 file systems may still be frozen"));
  SetLogSink(nullptr);
  EXPECT_LE(lines.count, 40u);
}

// As a worker has it that was killed and is not gone.
TEST_F(ThawLeftoverTest, TheListStaysAsLongAsItsWriterHasNotEnded) {
  WriteList();
  ASSERT_EQ(::flock(list_.get(), LOCK_SH | LOCK_NB), 0);
  EXPECT_THAT(ThawForStuckWorker(directory_, {}), FailsSaying("has not ended"));
  ASSERT_EQ(::flock(list_.get(), LOCK_UN), 0);
  EXPECT_THAT(ThawForStuckWorker(directory_, {}), IsOk());
  EXPECT_EQ(State(), FreezeListState::kFrozen);
}

TEST_F(ThawLeftoverTest, AStartLeavesTheFreezeOfAnotherThatRunsAlone) {
  WriteList();
  const auto lock = sys::Open(directory_ + "/lock", O_RDWR | O_CREAT, 0600);
  REEVE_ASSERT_OK(lock);
  ASSERT_EQ(::flock(lock->get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_THAT(ThawLeftover(directory_, Thawing::kFirst), IsOk());  // not tried
  EXPECT_THAT(ThawLeftover(directory_, Thawing::kOnDemand), FailsWith(Code::kUnavailable));
  ASSERT_EQ(::flock(lock->get(), LOCK_UN), 0);
  EXPECT_THAT(ThawLeftover(directory_, Thawing::kFirst), FailsWith(Code::kUnavailable));
}

TEST_F(ThawLeftoverTest, AListThatOthersCouldHaveWrittenIsRefused) {
  WriteList();
  ASSERT_EQ(::fchmod(list_.get(), 0666), 0);
  EXPECT_THAT(ThawLeftover(directory_, Thawing::kOnDemand), FailsSaying(ListPath()));
}

TEST_F(ThawLeftoverTest, WhatIsNoFileIsRefused) {
  std::filesystem::create_directories(ListPath());
  EXPECT_THAT(ThawLeftover(directory_, Thawing::kOnDemand), FailsSaying("is no file"));
}

}  // namespace
}  // namespace reeve::start
