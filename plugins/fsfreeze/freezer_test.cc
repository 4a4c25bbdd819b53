#include "plugins/fsfreeze/freezer.h"

#include <linux/magic.h>
#include <sys/statfs.h>

#include "base/testing.h"
#include "plugins/fsfreeze/testing.h"

namespace reeve::fsfreeze {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FreezerTest : public testing::Test {
 protected:
  FreezeOutcome Freeze(OnMountFailure on_failure = OnMountFailure::kFatal) {
    return freezer_.Freeze(targets_, on_failure, Freezer::Milliseconds(60000));
  }
  storage::FreezeList List() { return *storage::FreezeListFile(list_.get()).Read(); }
  MountResult ResultOf(const FreezeOutcome& outcome, const std::string& mountpoint) {
    for (const MountReport& report : outcome.mounts)
      if (report.target.mountpoint == mountpoint) return report.result;
    ADD_FAILURE() << mountpoint;
    return MountResult::kFailed;
  }

  test::FakeFileSystems calls_;
  UniqueFd list_ = test::ListFile();
  Freezer freezer_{calls_, list_.get(), [] { return 0; }};
  std::vector<Target> targets_ = {{{8, 1}, "/", "ext4"}, {{8, 2}, "/var", "xfs"}, {{0, 40}, "/srv", "btrfs"}};
};

TEST_F(FreezerTest, OpensAllBeforeItFreezesTheFirstAndFreezesTheLastFirst) {
  const FreezeOutcome outcome = Freeze();
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.frozen_count, 3u);
  EXPECT_THAT(calls_.log, ElementsAre("open /srv", "open /var", "open /", "freeze /srv", "freeze /var", "freeze /"));
}

TEST_F(FreezerTest, NothingIsFrozenWhenTheListStandsOnOneOfThem) {
  calls_.list_stands_on = "/var";
  const FreezeOutcome outcome = Freeze(OnMountFailure::kSkip);
  EXPECT_THAT(outcome.error, testing::StartsWith("failed to freeze /var: the agent's state directory is on a disk"));
  EXPECT_EQ(outcome.frozen_count, 0u);
  EXPECT_EQ(ResultOf(outcome, "/var"), MountResult::kFailed);
  EXPECT_THAT(calls_.log, ElementsAre("open /srv", "open /var", "open /"));
  EXPECT_THAT(List().entries, IsEmpty());
}

TEST_F(FreezerTest, TheListMayStandOnADiskThatIsNotFrozen) {
  calls_.list_stands_on = "/other";
  EXPECT_EQ(Freeze().frozen_count, 3u);
}

// Neither is frozen, only looked at.
TEST(FreezeListPlaceTest, AFileOnAMemoryFileSystemIsNeverHeldUpAndOneOfTheSameDiskIs) {
  KernelFileSystems calls;
  const UniqueFd directory = *sys::Open("/", O_RDONLY | O_DIRECTORY);
  const UniqueFd in_memory = test::ListFile();
  EXPECT_EQ(calls.HoldsUp(directory.get(), in_memory.get()).value_or(true), false);
  struct statfs status;
  ASSERT_EQ(::fstatfs(directory.get(), &status), 0);
  if (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC) GTEST_SKIP() << "/ is in memory here";
  EXPECT_EQ(calls.HoldsUp(directory.get(), directory.get()).value_or(false), true);
}

TEST_F(FreezerTest, EntryStandsInTheListBeforeItsFileSystemIsFrozen) {
  std::vector<size_t> entries;
  calls_.on_freeze = [&](const std::string& path) {
    const storage::FreezeList list = List();
    EXPECT_EQ(list.state, storage::FreezeListState::kFreezing);
    ASSERT_FALSE(list.entries.empty());
    EXPECT_EQ(list.entries.back().mount_point, path);
    entries.push_back(list.entries.size());
  };
  Freeze();
  EXPECT_THAT(entries, ElementsAre(1, 2, 3));
  EXPECT_EQ(List().state, storage::FreezeListState::kFrozen);
}

TEST_F(FreezerTest, ThawsInTheOtherOrderAndEmptiesTheList) {
  Freeze();
  calls_.log.clear();
  const ThawOutcome thawed = freezer_.ThawHeld(ThawScope::kAll);
  EXPECT_EQ(thawed.thawed_count, 3u);
  EXPECT_THAT(thawed.failures, IsEmpty());
  EXPECT_THAT(calls_.log, ElementsAre("thaw /", "thaw /var", "thaw /srv"));
  EXPECT_THAT(freezer_.Release(), IsOk());
  EXPECT_THAT(List().entries, IsEmpty());
  EXPECT_EQ(List().state, storage::FreezeListState::kNothing);
}

TEST_F(FreezerTest, OpenFailureFreezesNothing) {
  calls_.open_errors["/var"] = EACCES;
  const FreezeOutcome outcome = Freeze();
  EXPECT_EQ(outcome.error, "failed to open /var: Permission denied");
  EXPECT_EQ(calls_.frozen_count(), 0u);
  EXPECT_EQ(ResultOf(outcome, "/srv"), MountResult::kNotFrozen);
  EXPECT_EQ(ResultOf(outcome, "/var"), MountResult::kFailed);
}

TEST_F(FreezerTest, FreezeFailureLeavesTheRestUntriedAndWhatIsFrozenToTheThaw) {
  calls_.freeze_errors["/var"] = EIO;
  const FreezeOutcome outcome = Freeze();
  EXPECT_EQ(outcome.error, "failed to freeze /var: Input/output error");
  EXPECT_EQ(ResultOf(outcome, "/srv"), MountResult::kFrozen);
  EXPECT_EQ(ResultOf(outcome, "/"), MountResult::kNotFrozen);
  EXPECT_EQ(freezer_.ThawHeld(ThawScope::kAll).thawed_count, 1u);
  EXPECT_EQ(calls_.frozen_count(), 0u);
}

TEST_F(FreezerTest, FailuresMayBeSkipped) {
  calls_.open_errors["/srv"] = ENOENT;
  calls_.freeze_errors["/var"] = EIO;
  const FreezeOutcome outcome = Freeze(OnMountFailure::kSkip);
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.frozen_count, 1u);
  EXPECT_EQ(outcome.mounts[0].error, "failed to open /srv: No such file or directory");
  EXPECT_EQ(outcome.mounts[1].error, "failed to freeze /var: Input/output error");
  EXPECT_EQ(ResultOf(outcome, "/"), MountResult::kFrozen);
}

TEST_F(FreezerTest, WhatCannotBeFrozenOrIsAlreadyIsPassedOverAndNotCounted) {
  calls_.freeze_errors["/"] = EOPNOTSUPP;
  calls_.freeze_errors["/srv"] = EBUSY;
  const FreezeOutcome outcome = Freeze();
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.frozen_count, 1u);
  EXPECT_EQ(ResultOf(outcome, "/"), MountResult::kUnsupported);
  EXPECT_EQ(ResultOf(outcome, "/srv"), MountResult::kAlreadyFrozen);
}

TEST_F(FreezerTest, CancelledFreezeGoesNoFurther) {
  calls_.on_freeze = [&](const std::string&) { freezer_.Cancel(); };
  const FreezeOutcome outcome = Freeze();
  EXPECT_EQ(outcome.error, "the freeze was cancelled");
  EXPECT_EQ(calls_.frozen_count(), 1u);
  EXPECT_EQ(freezer_.ThawHeld(ThawScope::kAll).thawed_count, 1u);
}

// The freeze of a file system may hang for one that is frozen already.
TEST_F(FreezerTest, WhatIsFrozenCanBeThawedWhileTheNextHangs) {
  calls_.on_freeze = [&](const std::string& path) {
    if (path != "/var") return;
    freezer_.Cancel();
    EXPECT_EQ(freezer_.ThawHeld(ThawScope::kBesideFreeze).thawed_count, 1u);
    EXPECT_EQ(calls_.frozen_count(), 0u);
  };
  Freeze();
  EXPECT_EQ(freezer_.ThawHeld(ThawScope::kAll).thawed_count, 1u);  // the one that hung
  EXPECT_EQ(calls_.frozen_count(), 0u);
}

// Their thaw would wait for the file system below, and its own for its freeze.
TEST_F(FreezerTest, WhatIsBeingFrozenIsNotThawedNorWhatStandsOnIt) {
  targets_[2].stands_on = {targets_[0].device};
  calls_.on_freeze = [&](const std::string& path) {
    if (path != "/") return;
    calls_.frozen["/"] = 1;  // by somebody else
    freezer_.Cancel();
    EXPECT_EQ(freezer_.ThawHeld(ThawScope::kBesideFreeze).thawed_count, 1u);
    EXPECT_EQ(freezer_.ThawOthers(targets_, ThawScope::kBesideFreeze).thawed_count, 0u);
    EXPECT_EQ(calls_.frozen["/var"], 0);
  };
  Freeze();
  EXPECT_EQ(freezer_.ThawHeld(ThawScope::kBesideFreeze).thawed_count, 2u);
  EXPECT_EQ(calls_.frozen_count(), 0u);
}

TEST_F(FreezerTest, WhatStandsOnAnotherThanTheOneThatIsBeingFrozenIsThawed) {
  targets_[2].stands_on = {targets_[0].device};
  calls_.on_freeze = [&](const std::string& path) {
    if (path != "/var") return;
    freezer_.Cancel();
    EXPECT_EQ(freezer_.ThawHeld(ThawScope::kBesideFreeze).thawed_count, 1u);
    EXPECT_EQ(calls_.frozen["/srv"], 0);
  };
  Freeze();
}

TEST_F(FreezerTest, ThawsUntilItFailsAndCountsEachOnce) {
  Freeze();
  calls_.frozen["/var"] = 3;
  EXPECT_EQ(freezer_.ThawHeld(ThawScope::kAll).thawed_count, 3u);
  EXPECT_EQ(calls_.frozen["/var"], 0);
}

TEST_F(FreezerTest, ThawsWhatOthersFroze) {
  calls_.frozen["/srv"] = 1;
  calls_.open_errors["/"] = EACCES;  // passed over, as in qemu-ga
  const ThawOutcome thawed = freezer_.ThawOthers(targets_, ThawScope::kAll);
  EXPECT_EQ(thawed.thawed_count, 1u);
  EXPECT_THAT(thawed.failures, IsEmpty());
}

TEST_F(FreezerTest, WhatCannotBeThawedStaysHeldAndIsTriedAgain) {
  Freeze();
  calls_.thaw_error = EIO;
  EXPECT_THAT(freezer_.ThawHeld(ThawScope::kAll).failures,
              ElementsAre("failed to thaw /: Input/output error", "failed to thaw /var: Input/output error",
                          "failed to thaw /srv: Input/output error"));
  calls_.thaw_error = 0;
  EXPECT_EQ(freezer_.ThawHeld(ThawScope::kAll).thawed_count, 3u);
}

TEST_F(FreezerTest, NothingIsFrozenThatCannotBeWrittenDown) {
  Freezer freezer(calls_, /*list_fd=*/-1, [] { return 0; });
  const FreezeOutcome outcome = freezer.Freeze(targets_, OnMountFailure::kSkip, std::nullopt);
  EXPECT_NE(outcome.error, "");
  EXPECT_EQ(calls_.frozen_count(), 0u);
}

}  // namespace
}  // namespace reeve::fsfreeze
