#include "agent/warden/program_uids.h"

#include "base/testing.h"

namespace reeve::warden {
namespace {

TEST(ProgramUidsTest, GivesEachNumberOnceAndTheOneLongestFreeFirst) {
  ProgramUids uids(100, 3);
  EXPECT_EQ(uids.Take(), 100u);
  uids.GiveBack(100);
  EXPECT_EQ(uids.Take(), 101u);
  EXPECT_EQ(uids.Take(), 102u);
  EXPECT_EQ(uids.Take(), 100u);
  EXPECT_EQ(uids.Take(), std::nullopt);
}

TEST(ProgramUidsTest, HasNoneWhereNoRuleWantsOne) {
  EXPECT_EQ(ProgramUids().Take(), std::nullopt);
}

}  // namespace
}  // namespace reeve::warden
