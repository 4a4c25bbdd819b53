#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/warden/layout.h"
#include "agent/warden/listeners.h"
#include "agent/warden/prepare_files.h"
#include "agent/warden/restart_rule.h"
#include "agent/warden/run_directory.h"
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

using RunDirectoryTest = FilesTest;

TEST_F(RunDirectoryTest, IsMadeAndHeldByOneOnly) {
  auto lock = TakeRunDirectory(Path("run"));
  REEVE_ASSERT_OK(lock);
  EXPECT_TRUE(fs::is_directory(top_ / "run/state"));
  EXPECT_THAT(TakeRunDirectory(Path("run")), FailsSaying("another reeved runs in " + Path("run")));
  lock->Reset();
  EXPECT_THAT(TakeRunDirectory(Path("run")), IsOk());
}

TEST_F(RunDirectoryTest, MayHoldADirectoryNamedLockOfSomebodyElse) {
  fs::create_directory(top_ / "lock");
  EXPECT_THAT(TakeRunDirectory(top_.string()), IsOk());
}

TEST_F(RunDirectoryTest, RefusesOneThatOthersMayWriteAndOneThatCannotBeMade) {
  fs::create_directory(top_ / "open");
  fs::permissions(top_ / "open", fs::perms::all);
  EXPECT_THAT(TakeRunDirectory(Path("open")), FailsSaying("may be written by others"));
  EXPECT_THAT(TakeRunDirectory(Path("no/such")), FailsSaying("make directory"));
}

using ListenersTest = FilesTest;

config::Channel UnixChannel(const std::string& path) {
  config::Channel channel;
  channel.transport = config::Transport::kUnixListen;
  channel.path = path;
  return channel;
}

TEST_F(ListenersTest, AUnixSocketReplacesWhatStoodThereAndListens) {
  Write("socket", "left over");
  const auto listeners = MakeListeners({config::Channel{}, UnixChannel(Path("socket"))}, 0);
  REEVE_ASSERT_OK(listeners);
  ASSERT_EQ(listeners->size(), 1u);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  Path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

TEST_F(ListenersTest, SaysWhichSocketCannotBeHad) {
  EXPECT_THAT(MakeListeners({UnixChannel(Path("no/such"))}, 0), FailsSaying("bind " + Path("no/such")));
  EXPECT_THAT(MakeListeners({UnixChannel(std::string(108, 'x'))}, 0), FailsSaying("1 to 107 bytes"));
}

TEST_F(ListenersTest, AnActivatedChannelWithoutASocketIsRefused) {
  config::Channel channel;
  channel.transport = config::Transport::kActivated;
  EXPECT_THAT(MakeListeners({channel}, 0), FailsSaying("service manager passed 0"));
}

TEST(VsockAddressTest, ReadsWhatQemuGaReads) {
  EXPECT_EQ(ParseVsockAddress("3:1234")->cid, 3u);
  EXPECT_EQ(ParseVsockAddress("3:1234")->port, 1234u);
  EXPECT_EQ(ParseVsockAddress("-1:1")->cid, UINT32_MAX);
  for (const char* bad : {"", "3", "3:", "3:x", "x:1", "3:1:1", "3:-1", "4294967296:1"})
    EXPECT_THAT(ParseVsockAddress(bad), FailsSaying("<cid>:<port>")) << bad;
}

TEST(LayoutTest, IsSeenFromWhereTheExecutableStands) {
  const Layout installed = LayoutFor("/opt/x/sbin/reeved", false);
  EXPECT_EQ(installed.binaries, "/opt/x/libexec/reeve");
  EXPECT_EQ(installed.profiles, "/opt/x/share/reeve/profiles");
  const Layout built = LayoutFor("/b/bin/reeved", true);
  EXPECT_EQ(built.binaries, "/b/bin");
  EXPECT_EQ(built.plugins, "/b/plugins");
  EXPECT_EQ(LayoutFor("/reeved", true).plugins, "/plugins");
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
