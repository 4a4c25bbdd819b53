#include "agent/start/qemu_ga_conf.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/key_file.h"
#include "base/testing.h"

namespace reeve::start {
namespace {

namespace fs = std::filesystem;

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

TEST(ConfigurationFileTest, IsTheOptionElseTheVariableElseTheDefault) {
  EXPECT_EQ(WhichConfigurationFile("/c", "/e").path, "/c");
  EXPECT_TRUE(WhichConfigurationFile("/c", "/e").is_required);
  EXPECT_EQ(WhichConfigurationFile(std::nullopt, "/e").path, "/e");
  EXPECT_FALSE(WhichConfigurationFile(std::nullopt, "/e").is_required);
  EXPECT_EQ(WhichConfigurationFile(std::nullopt, nullptr).path, "/etc/qemu/qemu-ga.conf");
}

TEST(ConfigurationFileTest, SaysWhatTheOptionsSay) {
  Options options;
  ASSERT_THAT(ApplyConfiguration("[general]\ndaemon=true\nmethod=unix-listen\npath=/s\nlogfile=/l\npidfile=/p\n"
                                 "fsfreeze-hook=/h\nstatedir=/t\nverbose=1\nretry-path=true\nblock-rpcs=a,b\n"
                                 "allow-rpcs=c\nunknown=1\n[other]\nmethod=x\n",
                                 options),
              IsOk());
  EXPECT_TRUE(options.is_daemon);
  EXPECT_EQ(options.method, "unix-listen");
  EXPECT_EQ(options.path, "/s");
  EXPECT_THAT(options.log_file, Optional(std::string("/l")));
  EXPECT_EQ(options.pid_file, "/p");
  EXPECT_THAT(options.fsfreeze_hook, Optional(std::string("/h")));
  EXPECT_EQ(options.run_directory, "/t");
  EXPECT_TRUE(options.is_verbose);
  EXPECT_TRUE(options.retries_path);
  EXPECT_THAT(options.blocked_commands, ElementsAre("b", "a"));
  EXPECT_THAT(options.allowed_commands, ElementsAre("c"));
}

TEST(ConfigurationFileTest, SaysNothingWhereItHasNoKey) {
  Options options;
  ASSERT_THAT(ApplyConfiguration("", options), IsOk());
  EXPECT_EQ(DumpConfiguration(options), DumpConfiguration(Options()));
  EXPECT_THAT(options.method, IsEmpty());
  EXPECT_EQ(options.log_file, std::nullopt);
}

TEST(ConfigurationFileTest, TheManualsWordDaemonizeMeansNothing) {
  Options options;
  ASSERT_THAT(ApplyConfiguration("[general]\ndaemonize=true\n", options), IsOk());
  EXPECT_FALSE(options.is_daemon);
}

TEST(ConfigurationFileTest, TakesTheOldNameOfTheBlockList) {
  Options options;
  ASSERT_THAT(ApplyConfiguration("[general]\n"
                                 "blacklist"
                                 "=a\nblock-rpcs=b\n",
                                 options),
              IsOk());
  EXPECT_THAT(options.blocked_commands, ElementsAre("a", "b"));
}

TEST(DumpTest, HasQemuGasKeysInItsOrder) {
  Options options;
  ASSERT_THAT(Complete(options, ""), IsOk());
  EXPECT_EQ(DumpConfiguration(options),
            "[general]\ndaemon=false\nmethod=virtio-serial\npath=/dev/virtio-ports/org.qemu.guest_agent.0\n"
            "pidfile=/var/run/qemu-ga.pid\nstatedir=/run/reeve\nverbose=false\nretry-path=false\nblock-rpcs=\n"
            "allow-rpcs=\n");
  options.log_file = "";
  options.fsfreeze_hook = "/h";
  options.path.clear();
  options.blocked_commands = {"b", "a", "c"};
  options.is_daemon = options.retries_path = options.is_verbose = true;
  EXPECT_EQ(DumpConfiguration(options),
            "[general]\ndaemon=true\nmethod=virtio-serial\nlogfile=\npidfile=/var/run/qemu-ga.pid\nfsfreeze-hook=/h\n"
            "statedir=/run/reeve\nverbose=true\nretry-path=true\nblock-rpcs=b,a,c\nallow-rpcs=\n");
}

class LoadTest : public testing::Test {
 protected:
  LoadTest() {
    std::string pattern = (fs::temp_directory_path() / "reeve-conf-XXXXXX").string();
    top_ = ::mkdtemp(pattern.data());
  }
  ~LoadTest() override { fs::remove_all(top_); }
  std::string Write(const std::string& text) {
    std::ofstream(top_ / "conf") << text;
    ::chmod((top_ / "conf").c_str(), 0644);
    return (top_ / "conf").string();
  }
  Status Load(const std::string& path, bool is_required = false) {
    return LoadConfiguration({.path = path, .is_required = is_required}, options_);
  }
  fs::path top_;
  Options options_;
};

TEST_F(LoadTest, ReadsAFile) {
  EXPECT_THAT(Load(Write("[general]\npath=/s\n")), IsOk());
  EXPECT_EQ(options_.path, "/s");
}

TEST_F(LoadTest, AMissingOneIsFineUnlessItWasNamed) {
  const std::string path = (top_ / "none").string();
  EXPECT_THAT(Load(path), IsOk());
  EXPECT_THAT(Load(""), IsOk());
  EXPECT_THAT(Load(path, true), FailsSaying("error loading configuration from path: " + path + ", "));
}

TEST_F(LoadTest, RefusesWhatItCannotRead) {
  EXPECT_THAT(Load(top_.string()),
              FailsSaying("error loading configuration from path: " + top_.string() + ", not a regular"));
  ASSERT_EQ(::mkfifo((top_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(Load((top_ / "fifo").string()), FailsSaying("not a regular file"));
  EXPECT_THAT(Load("/dev/null"), FailsSaying("not a regular file"));
  EXPECT_THAT(Load(Write("[general]\nverbose=maybe\n")), FailsSaying("verbose: neither true nor false: maybe"));
  EXPECT_THAT(Load(Write(std::string(KeyFile::kMaxBytes + 1, '\n'))), FailsSaying("error loading configuration"));
}

TEST_F(LoadTest, RefusesWhatOthersMayWrite) {
  const std::string path = Write("[general]\n");
  ASSERT_EQ(::chmod(path.c_str(), 0646), 0);
  EXPECT_THAT(Load(path), FailsSaying("may be written by others"));
}

TEST_F(LoadTest, RefusesAFileOnAWayThatOthersMayWrite) {
  fs::create_directory(top_ / "theirs");
  fs::rename(Write("[general]\n"), top_ / "theirs/conf");
  fs::create_symlink("theirs/conf", top_ / "link");
  EXPECT_THAT(Load((top_ / "link").string()), IsOk());
  fs::permissions(top_ / "theirs", fs::perms::all);
  for (const char* name : {"theirs/conf", "link", "theirs/../link"})
    EXPECT_THAT(Load((top_ / name).string()), FailsSaying("theirs may be written by others")) << name;
}

}  // namespace
}  // namespace reeve::start
