#include "storage/thaw_all.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/testing.h"

namespace reeve::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Line(const std::string& device, const std::string& path) {
  return "30 1 " + device + " / " + path + " rw,relatime shared:1 - ext4 /dev/x rw\n";
}

// Mount points, what they open as, and how often each device is frozen.
class FakeCalls : public ThawCalls {
 public:
  Result<std::string> Mountinfo() override { return mountinfo; }
  Result<UniqueFd> OpenMountPoint(const std::string& path) override {
    if (!opens.contains(path)) return Fail(Error::System(ENOENT, "open " + path));
    opened_.push_back(opens.at(path));
    return UniqueFd(::eventfd(static_cast<unsigned>(opened_.size() - 1), EFD_CLOEXEC));
  }
  Result<Device> DeviceOf(int fd) override { return stat_numbers.contains(key(fd)) ? stat_numbers[key(fd)] : Last(fd); }
  Status Thaw(int fd) override {
    const Device device = Last(fd);
    tried.push_back(device.minor);
    int& depth = frozen[device.minor];
    if (fails.contains(device.minor)) return Fail(Error::System(fails[device.minor], "thaw"));
    if (depth == 0) return Fail(Error::System(EINVAL, "thaw"));
    --depth;
    return {};
  }

  const std::vector<Device>& opened() const { return opened_; }

  std::string mountinfo;
  std::map<std::string, Device> opens;
  std::map<uint32_t, int> frozen;  // by minor number
  std::map<uint32_t, int> fails;
  std::map<uint32_t, Device> stat_numbers;  // what stat says of it instead
  std::vector<uint32_t> tried;

 private:
  // One is open at a time, the latest.
  Device Last(int) const { return opened_.back(); }
  uint32_t key(int fd) const { return Last(fd).minor; }
  std::vector<Device> opened_;
};

class ThawAllTest : public testing::Test {
 protected:
  void Mount(const Device& device, const std::string& path) {
    calls_.mountinfo += Line(std::to_string(device.major) + ":" + std::to_string(device.minor), path);
    calls_.opens[path] = device;
  }
  ThawReport Thaw(std::vector<FreezeEntry> entries) { return ThawAll(entries, calls_); }
  FakeCalls calls_;
};

TEST_F(ThawAllTest, ThawsEachAsOftenAsItWasFrozenTheLastFirst) {
  Mount({8, 1}, "/");
  Mount({8, 2}, "/data");
  calls_.frozen = {{1, 1}, {2, 3}};
  const ThawReport report = Thaw({{{8, 2}, "/data"}, {{8, 1}, "/"}});
  EXPECT_THAT(report.thawed, ElementsAre("/", "/data"));
  EXPECT_THAT(report.failures, IsEmpty());
  EXPECT_THAT(calls_.tried, ElementsAre(1, 1, 2, 2, 2, 2));
}

TEST_F(ThawAllTest, TouchesNothingThatIsNotInTheList) {
  Mount({8, 1}, "/");
  Mount({8, 2}, "/data");
  calls_.frozen = {{1, 1}, {2, 1}};
  EXPECT_THAT(Thaw({{{8, 2}, "/data"}}).thawed, ElementsAre("/data"));
  EXPECT_EQ(calls_.frozen[1], 1);
  EXPECT_THAT(Thaw({}).thawed, IsEmpty());
}

TEST_F(ThawAllTest, OneThatIsNotFrozenIsNoFailure) {
  Mount({8, 1}, "/");
  const ThawReport report = Thaw({{{8, 1}, "/"}});
  EXPECT_THAT(report.thawed, IsEmpty());
  EXPECT_THAT(report.failures, IsEmpty());
}

TEST_F(ThawAllTest, ACoveredMountPointIsReachedByAnotherMountOfItsDevice) {
  Mount({8, 2}, "/data");
  Mount({8, 2}, "/bind\\040mount");
  calls_.opens["/bind mount"] = {8, 2};
  calls_.opens["/data"] = {8, 7};  // what covers it
  calls_.frozen = {{2, 1}, {7, 1}};
  EXPECT_THAT(Thaw({{{8, 2}, "/data"}}).thawed, ElementsAre("/data"));
  EXPECT_EQ(calls_.frozen[2], 0);
  EXPECT_EQ(calls_.frozen[7], 1);
}

TEST_F(ThawAllTest, LeavesWhatIsMountedThereInsteadAlone) {
  Mount({8, 7}, "/data");
  calls_.frozen = {{7, 1}};
  const ThawReport report = Thaw({{{8, 2}, "/data"}});
  EXPECT_THAT(report.thawed, IsEmpty());
  EXPECT_THAT(report.failures, ElementsAre(HasSubstr("/data: its file system is not mounted there any more")));
  EXPECT_THAT(calls_.tried, IsEmpty());
}

// A worker that was taken over writes the list; a FIFO or a file system of somebody's own may stand at such a path.
TEST_F(ThawAllTest, APathThatIsNoMountPointOfItsDeviceIsNotEvenOpened) {
  Mount({8, 1}, "/");
  Mount({0, 60}, "/home/eve/fuse");
  for (const char* path : {"/home/eve/trap", "/home/eve/fuse"}) {
    calls_.opens[path] = {8, 1};
    EXPECT_THAT(Thaw({{{8, 2}, path}}).failures, ElementsAre(HasSubstr("is not mounted there")));
  }
  EXPECT_THAT(calls_.opened(), IsEmpty());
}

TEST_F(ThawAllTest, SaysOfWhichItDoesNotKnowAndGoesOn) {
  Mount({8, 1}, "/");
  Mount({8, 3}, "/broken");
  calls_.frozen = {{1, 1}};
  calls_.fails = {{3, EIO}};
  const ThawReport report = Thaw({{{8, 1}, "/"}, {{8, 2}, "/gone"}, {{8, 3}, "/broken"}});
  EXPECT_THAT(report.thawed, ElementsAre("/"));
  EXPECT_THAT(report.failures, ElementsAre(HasSubstr("/broken: thaw: Input/output error"),
                                           HasSubstr("/gone: its file system is not mounted")));
}

TEST_F(ThawAllTest, WhatAThawSetsFreeIsThawedInTheNextPass) {
  class Nested : public FakeCalls {
   public:
    Result<UniqueFd> OpenMountPoint(const std::string& path) override {
      if (path == "/outer/inner" && frozen[1] > 0) return Fail(Error::System(EIO, "open " + path));
      return FakeCalls::OpenMountPoint(path);
    }
  } calls;
  calls.mountinfo = Line("8:1", "/outer") + Line("8:2", "/outer/inner");
  calls.opens = {{"/outer", {8, 1}}, {"/outer/inner", {8, 2}}};
  calls.frozen = {{1, 1}, {2, 1}};
  const ThawReport report = ThawAll(std::vector<FreezeEntry>{{{8, 1}, "/outer"}, {{8, 2}, "/outer/inner"}}, calls);
  EXPECT_THAT(report.thawed, ElementsAre("/outer", "/outer/inner"));
  EXPECT_THAT(report.failures, IsEmpty());
}

TEST_F(ThawAllTest, BtrfsIsKnownByWhatIsMountedLastAtItsPath) {
  Mount({0, 40}, "/b");
  calls_.stat_numbers = {{40, {0, 41}}};
  calls_.frozen = {{40, 1}};
  EXPECT_THAT(Thaw({{{0, 40}, "/b"}}).thawed, ElementsAre("/b"));
  calls_.frozen = {{40, 1}};
  calls_.mountinfo += Line("0:50", "/b");
  EXPECT_THAT(Thaw({{{0, 40}, "/b"}}).thawed, IsEmpty());
}

TEST_F(ThawAllTest, OneThatIsFrozenAgainAndAgainDoesNotHoldTheRest) {
  Mount({8, 1}, "/");
  calls_.frozen = {{1, 1000000}};
  EXPECT_THAT(Thaw({{{8, 1}, "/"}}).thawed, ElementsAre("/"));
}

TEST_F(ThawAllTest, WithoutMountinfoThePathsOfTheListAreTried) {
  Mount({8, 1}, "/");
  calls_.mountinfo = "nonsense\n1 2 x:y / /z\n";
  calls_.frozen = {{1, 1}};
  EXPECT_THAT(Thaw({{{8, 1}, "/"}}).thawed, ElementsAre("/"));
}

}  // namespace
}  // namespace reeve::storage
