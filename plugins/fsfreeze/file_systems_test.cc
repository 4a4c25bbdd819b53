#include "plugins/fsfreeze/file_systems.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>

#include "base/testing.h"

namespace reeve::fsfreeze {
namespace {

// Opens and nothing else: what it opens is the machine's own.
class KernelFileSystemsTest : public testing::Test {
 protected:
  KernelFileSystemsTest() {
    char name[] = "/tmp/reeve-file-systems-XXXXXX";
    root_ = mkdtemp(name);
    struct stat status{};
    EXPECT_EQ(::stat(root_.c_str(), &status), 0);
    device_ = {major(status.st_dev), minor(status.st_dev)};
  }
  ~KernelFileSystemsTest() override { std::filesystem::remove_all(root_); }

  KernelFileSystems calls_;
  std::string root_;
  storage::Device device_;
};

TEST_F(KernelFileSystemsTest, OpensWhatTheMountTableSays) {
  EXPECT_THAT(calls_.Open(root_, device_), IsOk());
}

// A user renames a directory of his that a mount point lies below, and puts his own way in its place.
TEST_F(KernelFileSystemsTest, AnotherFileSystemInThePlaceOfTheOneThatIsMeantIsRefused) {
  for (const storage::Device& other :
       {storage::Device{device_.major + 1, device_.minor}, storage::Device{device_.major + 1, device_.minor + 1}})
    EXPECT_THAT(calls_.Open(root_, other), FailsSaying("another file system stands there than the mount table says"));
  EXPECT_FALSE(calls_.Open("/proc", {8, 1}));
  EXPECT_FALSE(calls_.Open("/dev/null", device_));
}

TEST_F(KernelFileSystemsTest, ALinkOnTheWayIsRefusedWhereverItLeads) {
  std::filesystem::create_directory(root_ + "/a");
  std::filesystem::create_directory_symlink(".", root_ + "/link");
  EXPECT_THAT(calls_.Open(root_ + "/a", device_), IsOk());
  EXPECT_FALSE(calls_.Open(root_ + "/link/a", device_));
}

TEST_F(KernelFileSystemsTest, BtrfsIsKnownOnlyByHavingNoNumberOfItsOwn) {
  EXPECT_THAT(calls_.Open("/proc", {0, 12345}), IsOk());
}

}  // namespace
}  // namespace reeve::fsfreeze
