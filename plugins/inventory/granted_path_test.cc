#include "plugins/inventory/granted_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "plugins/inventory/users.h"
#include "tests/support/fake_agent.h"

namespace reeve::inventory {
namespace {

class GrantedPathTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/granted_path_test";
    std::filesystem::create_directories(directory_);
    path_ = directory_ + "/file";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& text) { std::ofstream(path_) << text; }
  void Replace(const std::string& text) {
    std::ofstream(path_ + ".new") << text;
    std::filesystem::rename(path_ + ".new", path_);
  }

  std::string directory_;
  std::string path_;
};

// Files that nobody may read, also where the test is root.
class WithoutRights {
 public:
  WithoutRights() { EXPECT_EQ(::seteuid(::getuid() == 0 ? 65534 : ::getuid()), 0); }
  ~WithoutRights() { EXPECT_EQ(::seteuid(::getuid()), 0); }
};

TEST_F(GrantedPathTest, AFileThatTookTheOthersPlaceIsLaterAndAChangedOneIsNot) {
  Write("one");
  const GrantedPath path(path_);
  Write("changed in its place");
  EXPECT_FALSE(path.IsOutdated());
  Replace("two");
  EXPECT_TRUE(path.IsOutdated());
}

TEST_F(GrantedPathTest, AFileThatCameIntoBeingIsLaterAndOneThatWentIsNot) {
  const GrantedPath path(path_);
  EXPECT_FALSE(path.IsOutdated());
  Write("new");
  EXPECT_TRUE(path.IsOutdated());
  std::filesystem::remove(path_);
  EXPECT_FALSE(path.IsOutdated());
}

TEST_F(GrantedPathTest, ALinkIsWhatItLeadsTo) {
  Write("one");
  std::filesystem::create_symlink("file", directory_ + "/link");
  const GrantedPath path(directory_ + "/link");
  std::filesystem::create_symlink("./file", directory_ + "/other");
  std::filesystem::rename(directory_ + "/other", directory_ + "/link");
  EXPECT_FALSE(path.IsOutdated());
  Replace("two");
  EXPECT_TRUE(path.IsOutdated());
}

TEST_F(GrantedPathTest, WhatIsRefusedJustAfterItCameIsTakenForLater) {
  Write("between sandbox and plugin");
  ASSERT_EQ(::chmod(path_.c_str(), 0), 0);
  const WithoutRights rights;
  EXPECT_TRUE(GrantedPath(path_).IsOutdated());
}

TEST_F(GrantedPathTest, WhatWasNeverGrantedIsNotOutdatedForEver) {
  // A file of the machine's that others may not read and that is old.
  struct stat status{};
  if (::getuid() != 0 || ::stat("/etc/shadow", &status) != 0) GTEST_SKIP() << "needs a file that is refused and old";
  const WithoutRights rights;
  EXPECT_FALSE(GrantedPath("/etc/shadow").IsOutdated());
}

TEST_F(GrantedPathTest, WhatIsNoFileIsRefusedAndNotWaitedFor) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0644), 0);
  EXPECT_THAT(GrantedPath(path_).ReadFile(10), FailsSaying(path_ + " is no regular file"));
  EXPECT_THAT(GrantedPath(directory_).OpenFile(), FailsSaying(directory_ + " is no regular file"));
}

TEST_F(GrantedPathTest, AFileAboveTheLimitIsTooLarge) {
  Write("0123456789");
  EXPECT_EQ(GrantedPath(path_).ReadFile(10).value(), "0123456789");
  EXPECT_FALSE(GrantedPath(path_).ReadFile(9));
}

TEST_F(GrantedPathTest, UsersOfAFileThatCameLaterAndIsRefusedAreThoseBefore) {
  int outdated = 0;
  LoggedInUsers users([&] { ++outdated; }, path_);
  REEVE_ASSERT_OK(users.Now());
  EXPECT_EQ(outdated, 0);
  Replace("no record");
  ASSERT_EQ(::chmod(path_.c_str(), 0), 0);
  const WithoutRights rights;
  const auto found = users.Now();
  REEVE_ASSERT_OK(found);
  EXPECT_TRUE((*found)->empty());
  EXPECT_EQ(outdated, 1);
}

TEST(OutdatedOsReleaseTest, ThePluginWishesToBeRenewed) {
  char name[] = "/tmp/reeve-os-release-XXXXXX";
  const std::string directory = ::mkdtemp(name);
  const std::string path = directory + "/os-release";
  std::ofstream(path) << "NAME=one\n";
  test::FakeAgent agent;
  ASSERT_EQ(agent.Load(R"({"os-release": ")" + path + "\"}"), REEVE_OK);
  EXPECT_THAT(agent.Call("guest-get-osinfo", "{}").value, testing::HasSubstr("\"one\""));
  std::ofstream(path) << "NAME=changed\n";
  EXPECT_THAT(agent.Call("guest-get-osinfo", "{}").value, testing::HasSubstr("\"changed\""));
  EXPECT_EQ(agent.renewals(), 0);
  std::ofstream(path + ".new") << "NAME=two\n";
  std::filesystem::rename(path + ".new", path);
  EXPECT_EQ(agent.Call("guest-get-osinfo", "{}").status, REEVE_OK);
  EXPECT_EQ(agent.renewals(), 1);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace reeve::inventory
