#include "agent/start/daemon.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::start {
namespace {

namespace fs = std::filesystem;

class PidFileTest : public testing::Test {
 protected:
  PidFileTest() {
    std::string pattern = (fs::temp_directory_path() / "reeve-pid-XXXXXX").string();
    top_ = ::mkdtemp(pattern.data());
  }
  ~PidFileTest() override { fs::remove_all(top_); }
  std::string Path(const std::string& name) const { return (top_ / name).string(); }
  fs::path top_;
};

// A lock is of a process, so another one has to ask for it.
template <typename Claim>
bool HoldsInAnotherProcess(Claim claim) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(claim() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0;
}

TEST_F(PidFileTest, HasThePidIsRootsOwnAndGoesAtTheEnd) {
  std::ofstream(Path("pid")) << "an older and longer text\n";
  fs::permissions(Path("pid"), fs::perms::owner_read | fs::perms::owner_write);
  {
    const auto file = PidFile::Create(Path("pid"));
    ASSERT_THAT(file, IsOk());
    EXPECT_EQ(*sys::ReadFile(Path("pid"), 100), std::to_string(::getpid()) + "\n");
    struct stat status{};
    ASSERT_EQ(::stat(Path("pid").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  EXPECT_FALSE(fs::exists(Path("pid")));
}

TEST_F(PidFileTest, BelongsToOneProcessAtATime) {
  auto file = PidFile::Create(Path("pid"));
  ASSERT_THAT(file, IsOk());
  EXPECT_TRUE(HoldsInAnotherProcess([&] {
    const auto second = PidFile::Create(Path("pid"));
    return !second && second.error().message() == "Cannot lock pid file: Resource temporarily unavailable";
  }));
  EXPECT_EQ(*sys::ReadFile(Path("pid"), 100), std::to_string(::getpid()) + "\n");
}

TEST_F(PidFileTest, RefusesWhatIsNoFileOfItsOwn) {
  fs::create_symlink("target", Path("link"));
  EXPECT_THAT(PidFile::Create(Path("link")), FailsSaying("link"));
  EXPECT_FALSE(fs::exists(Path("target")));
  EXPECT_THAT(PidFile::Create("/dev/null"), FailsSaying("not a regular file"));
  EXPECT_THAT(PidFile::Create(Path("no/such")), FailsSaying("No such file"));
}

}  // namespace
}  // namespace reeve::start
