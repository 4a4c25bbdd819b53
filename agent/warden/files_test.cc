#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/warden/prepare_files.h"
#include "agent/warden/restart_rule.h"
#include "agent/warden/trusted_file.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::warden {
namespace {

namespace fs = std::filesystem;

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    std::string pattern = (fs::temp_directory_path() / "reeve-files-XXXXXX").string();
    top_ = ::mkdtemp(pattern.data());
  }
  ~FilesTest() override { fs::remove_all(top_); }
  std::string Path(const std::string& name) const { return (top_ / name).string(); }
  void Write(const std::string& name, const std::string& text) { std::ofstream(top_ / name) << text; }
  std::string Read(const std::string& name) { return *sys::ReadFile(Path(name), 4096); }
  fs::path top_;
};

using HandleBlockTest = FilesTest;

TEST_F(HandleBlockTest, BeginsAtAThousandAndNeverGivesANumberTwice) {
  EXPECT_EQ(*ReserveHandleBlock(Path("qga.state")), kFirstHandle);
  EXPECT_EQ(*ReserveHandleBlock(Path("qga.state")), kFirstHandle + kHandleBlock);
  EXPECT_EQ(Read("qga.state"), "[global]\nfd_counter=132072\n");
}

TEST_F(HandleBlockTest, GoesOnWhereQemuGaStopped) {
  Write("qga.state", "[global]\nfd_counter=1017\n");
  EXPECT_EQ(*ReserveHandleBlock(Path("qga.state")), 1017u);
}

TEST_F(HandleBlockTest, RefusesAFileThatDoesNotSayWhereItStopped) {
  Write("qga.state", "[global]\nfd_counter=soon\n");
  EXPECT_THAT(ReserveHandleBlock(Path("qga.state")), FailsSaying("no number"));
  Write("qga.state", "");
  EXPECT_THAT(ReserveHandleBlock(Path("qga.state")), FailsSaying("no number"));
}

using TrustedFileTest = FilesTest;

TEST_F(TrustedFileTest, OpensARegularFileOfOurOwn) {
  Write("plain", "x");
  EXPECT_THAT(OpenTrustedFile(Path("plain")), IsOk());
}

TEST_F(TrustedFileTest, RefusesWhatOthersMayWriteAndWhatStandsInSuchADirectory) {
  Write("open", "x");
  fs::permissions(top_ / "open", fs::perms::all);
  EXPECT_THAT(OpenTrustedFile(Path("open")), FailsSaying("may be written by others"));
  fs::create_directory(top_ / "dir");
  Write("dir/plain", "x");
  fs::permissions(top_ / "dir", fs::perms::all);
  EXPECT_THAT(OpenTrustedFile(Path("dir/plain")), FailsSaying("may be written by others"));
  fs::permissions(top_ / "dir", fs::perms::all | fs::perms::sticky_bit);
  EXPECT_THAT(OpenTrustedFile(Path("dir/plain")), IsOk());
}

TEST_F(TrustedFileTest, RefusesLinksDirectoriesFifosAndRelativePaths) {
  Write("plain", "x");
  fs::create_symlink("plain", top_ / "link");
  fs::create_directory(top_ / "dir");
  ASSERT_EQ(::mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(OpenTrustedFile(Path("link")));
  EXPECT_THAT(OpenTrustedFile(Path("dir")), FailsSaying("not a regular file"));
  EXPECT_THAT(OpenTrustedFile(Path("fifo")), FailsSaying("not a regular file"));
  EXPECT_THAT(OpenTrustedFile("plain"), FailsSaying("not an absolute path"));
}

TEST(RestartRuleTest, ACoreStandsAgainWithinASecondHoweverOftenItFalls) {
  RestartRule rule;
  auto last = std::chrono::milliseconds(0);
  for (int i = 0; i < 20; ++i) {
    const auto delay = rule.NextDelay(std::chrono::milliseconds(1));
    EXPECT_GE(delay, last);
    EXPECT_LT(delay, std::chrono::seconds(1));
    last = delay;
  }
  EXPECT_EQ(last, RestartRule::kLongestDelay);
}

TEST(RestartRuleTest, AHealthyLifeIsRewarded) {
  RestartRule rule;
  for (int i = 0; i < 20; ++i) rule.NextDelay(std::chrono::milliseconds(1));
  EXPECT_EQ(rule.NextDelay(RestartRule::kHealthyLife), RestartRule::kShortestDelay);
}

}  // namespace
}  // namespace reeve::warden
