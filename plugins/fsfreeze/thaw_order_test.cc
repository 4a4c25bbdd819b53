#include "plugins/fsfreeze/thaw_order.h"

#include <sys/sysmacros.h>

#include <map>

#include "base/testing.h"

namespace reeve::fsfreeze {
namespace {

using storage::LeftOut;
using testing::ElementsAre;

class ThawOrderTest : public testing::Test {
 protected:
  void Mount(const char* mountpoint, dev_t device) {
    mounts_.file_systems.push_back({MountOf(mountpoint, device), device});
  }
  void LeaveOut(const char* mountpoint, dev_t device, LeftOut reason) {
    mounts_.left_out.push_back({MountOf(mountpoint, device), reason});
  }
  static storage::Mount MountOf(const char* mountpoint, dev_t device) {
    storage::Mount mount;
    mount.mountpoint = mountpoint;
    mount.device = device;
    return mount;
  }
  std::vector<std::string> Order() {
    std::vector<std::string> paths;
    for (const Target& target : InThawOrder(mounts_, [this](dev_t device) { return files_[device]; }))
      paths.push_back(target.mountpoint);
    return paths;
  }

  storage::MountList mounts_;
  std::map<dev_t, std::vector<std::string>> files_;
};

constexpr dev_t kDisk = 0x800, kOtherDisk = 0x810, kLoop0 = 0x700, kLoop1 = 0x701;

TEST_F(ThawOrderTest, IsThatOfTheMountTableWhereNothingStandsOnAnother) {
  Mount("/", kDisk);
  Mount("/var", kOtherDisk);
  EXPECT_THAT(Order(), ElementsAre("/", "/var"));
}

// Mounted again later, a file system stands in the table behind what stands on it.
TEST_F(ThawOrderTest, WhatOthersStandOnIsFirst) {
  Mount("/inner", kLoop1);
  Mount("/outer", kLoop0);
  Mount("/", kDisk);
  files_[kLoop1] = {"/outer/image"};
  files_[kLoop0] = {"/images/outer"};
  EXPECT_THAT(Order(), ElementsAre("/", "/outer", "/inner"));
}

TEST_F(ThawOrderTest, SaysOnWhatEachStandsHoweverFarBelow) {
  Mount("/inner", kLoop1);
  Mount("/outer", kLoop0);
  Mount("/", kDisk);
  files_[kLoop1] = {"/outer/image"};
  files_[kLoop0] = {"/images/outer"};
  const std::vector<Target> targets = InThawOrder(mounts_, [this](dev_t device) { return files_[device]; });
  ASSERT_EQ(targets.size(), 3u);
  EXPECT_THAT(targets[0].stands_on, testing::IsEmpty());
  EXPECT_THAT(targets[1].stands_on, ElementsAre(targets[0].device));
  EXPECT_THAT(targets[2].stands_on, ElementsAre(targets[1].device, targets[0].device));
}

TEST_F(ThawOrderTest, ImageIsFoundByWhateverMountItsPathLeadsThrough) {
  Mount("/inner", kLoop0);
  Mount("/data", kOtherDisk);
  LeaveOut("/bound", kOtherDisk, LeftOut::kSameDevice);
  files_[kLoop0] = {"/bound/image"};
  EXPECT_THAT(Order(), ElementsAre("/data", "/inner"));
}

TEST_F(ThawOrderTest, ANameThatOnlyBeginsLikeAMountPointIsNotBelowIt) {
  Mount("/inner", kLoop0);
  Mount("/data", kOtherDisk);
  files_[kLoop0] = {"/database/image"};
  EXPECT_THAT(Order(), ElementsAre("/inner", "/data"));
}

TEST_F(ThawOrderTest, ImageOnWhatIsNotFrozenChangesNothing) {
  Mount("/inner", kLoop0);
  Mount("/", kDisk);
  LeaveOut("/tmp", 0x20, LeftOut::kPseudo);
  files_[kLoop0] = {"/tmp/image"};
  EXPECT_THAT(Order(), ElementsAre("/inner", "/"));
}

TEST_F(ThawOrderTest, ACircleEnds) {
  Mount("/a", kLoop0);
  Mount("/b", kLoop1);
  files_[kLoop0] = {"/b/image"};
  files_[kLoop1] = {"/a/image"};
  EXPECT_EQ(Order().size(), 2u);
  files_[kLoop0] = {"/a/image"};
  EXPECT_EQ(Order().size(), 2u);
}

}  // namespace
}  // namespace reeve::fsfreeze
