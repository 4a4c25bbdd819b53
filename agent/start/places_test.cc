#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/start/layout.h"
#include "agent/start/listeners.h"
#include "agent/start/run_directory.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::start {
namespace {

namespace fs = std::filesystem;

class PlacesTest : public testing::Test {
 protected:
  PlacesTest() {
    std::string pattern = (fs::temp_directory_path() / "reeve-places-XXXXXX").string();
    top_ = ::mkdtemp(pattern.data());
  }
  ~PlacesTest() override { fs::remove_all(top_); }
  std::string Path(const std::string& name) const { return (top_ / name).string(); }
  void Write(const std::string& name, const std::string& text) { std::ofstream(top_ / name) << text; }
  std::string Read(const std::string& name) { return *sys::ReadFile(Path(name), 4096); }
  fs::path top_;
};

using RunDirectoryTest = PlacesTest;

TEST_F(RunDirectoryTest, MadeAgainHasTheSameNameForItsGroups) {
  fs::create_directory(Path("run"));
  const auto first = GroupPrefix(Path("run"));
  REEVE_ASSERT_OK(first);
  fs::create_directory(Path("in-its-place"));  // takes the inode that might be given again
  fs::remove(Path("run"));
  fs::create_directory(Path("other"));
  fs::create_directory(Path("run"));
  EXPECT_EQ(*GroupPrefix(Path("run") + "/"), *first);
  fs::create_directory_symlink("run", Path("link"));
  EXPECT_EQ(*GroupPrefix(Path("link")), *first);
}

// Else the start of one would end the other's programs.
TEST_F(RunDirectoryTest, NoNameOfGroupsBeginsAsAnothers) {
  for (const char* name : {"run", "run-1", "run-1-2"}) fs::create_directory(Path(name));
  fs::create_directories(Path("elsewhere/run"));
  const std::string prefix = *GroupPrefix(Path("run"));
  for (const char* name : {"run-1", "run-1-2", "elsewhere/run"}) {
    EXPECT_FALSE(GroupPrefix(Path(name))->starts_with(prefix)) << name;
  }
  EXPECT_THAT(GroupPrefix(Path("missing")), FailsWith(Code::kNotFound));
}

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

using ListenersTest = PlacesTest;

config::Channel UnixChannel(const std::string& path) {
  config::Channel channel;
  channel.transport = config::Transport::kUnixListen;
  channel.path = path;
  return channel;
}

TEST_F(ListenersTest, AUnixSocketReplacesOneThatStoodThereAndListens) {
  REEVE_ASSERT_OK(MakeListeners({UnixChannel(Path("socket"))}, 0));
  const auto listeners = MakeListeners({config::Channel{}, UnixChannel(Path("socket"))}, 0);
  REEVE_ASSERT_OK(listeners);
  ASSERT_EQ(listeners->size(), 1u);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  Path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

TEST_F(ListenersTest, RemovesNothingButASocket) {
  Write("file", "precious");
  fs::create_symlink("file", top_ / "link");
  fs::create_directory(top_ / "directory");
  for (const char* name : {"file", "link", "directory"}) {
    EXPECT_THAT(MakeListeners({UnixChannel(Path(name))}, 0), FailsSaying("is no socket")) << name;
    EXPECT_TRUE(fs::is_symlink(top_ / name) || fs::exists(top_ / name)) << name;
  }
  EXPECT_EQ(Read("file"), "precious");
}

TEST_F(ListenersTest, ASocketHasAtMostItsModeAndTheUmaskCounts) {
  config::Channel channel = UnixChannel(Path("control"));
  channel.socket_mode = 0600;
  const mode_t before = ::umask(0);
  const auto listeners = MakeListeners({channel, UnixChannel(Path("socket"))}, 0);
  EXPECT_EQ(::umask(before), 0u);
  REEVE_ASSERT_OK(listeners);
  EXPECT_EQ(fs::status(top_ / "control").permissions(), fs::perms(0600));
  EXPECT_EQ(fs::status(top_ / "socket").permissions(), fs::perms(0755));
  const mode_t usual = ::umask(0077);
  REEVE_ASSERT_OK(MakeListeners({UnixChannel(Path("socket"))}, 0));
  ::umask(usual);
  EXPECT_EQ(fs::status(top_ / "socket").permissions(), fs::perms(0700));
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
  EXPECT_EQ(installed.policies, "/opt/x/lib/reeve/policy.d");
  const Layout built = LayoutFor("/b/bin/reeved", true);
  EXPECT_EQ(built.binaries, "/b/bin");
  EXPECT_EQ(built.plugins, "/b/plugins");
  EXPECT_EQ(LayoutFor("/reeved", true).plugins, "/plugins");
}

}  // namespace
}  // namespace reeve::start
