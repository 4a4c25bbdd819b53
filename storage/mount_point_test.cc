#include "storage/mount_point.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::storage {
namespace {

class MountPointTest : public testing::Test {
 protected:
  MountPointTest() {
    char name[] = "/tmp/reeve-mount-point-XXXXXX";
    root_ = mkdtemp(name);
    std::filesystem::create_directories(root_ + "/a/b/c");
  }
  ~MountPointTest() override { std::filesystem::remove_all(root_); }
  std::string root_;
};

ino_t InodeOf(const Result<UniqueFd>& fd) {
  return fd ? sys::Stat(fd->get())->st_ino : 0;
}

TEST_F(MountPointTest, OpensDirectoriesAtAnyDepth) {
  struct stat status{};
  for (const std::string& path : {std::string("/"), std::string("/tmp"), root_ + "/a/b/c"}) {
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(InodeOf(OpenMountPoint(path)), status.st_ino) << path;
  }
}

TEST_F(MountPointTest, RefusesALinkAnywhereOnTheWay) {
  std::filesystem::rename(root_ + "/a", root_ + "/away");
  std::filesystem::create_directory_symlink(root_ + "/away", root_ + "/a");
  for (const char* path : {"/a/b/c", "/a/b", "/a"}) EXPECT_FALSE(OpenMountPoint(root_ + path)) << path;
  EXPECT_TRUE(OpenMountPoint(root_ + "/away/b/c"));
}

TEST_F(MountPointTest, RefusesWhatIsNoDirectoryWithoutOpeningIt) {
  ASSERT_EQ(::mkfifo((root_ + "/a/fifo").c_str(), 0600), 0);
  EXPECT_EQ(OpenMountPoint(root_ + "/a/fifo").error().system_errno(), ENOTDIR);
  EXPECT_EQ(OpenMountPoint(root_ + "/a/fifo/x").error().system_errno(), ENOTDIR);
  EXPECT_EQ(OpenMountPoint(root_ + "/gone/x").error().system_errno(), ENOENT);
  EXPECT_FALSE(OpenMountPoint("tmp"));
  EXPECT_FALSE(OpenMountPoint(""));
}

}  // namespace
}  // namespace reeve::storage
