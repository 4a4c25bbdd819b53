#include "agent/sandbox/program_confinement.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "agent/sandbox/filter/filter_compile.h"
#include "agent/sandbox/process_check.h"
#include "base/sys.h"
#include "base/testing.h"

namespace reeve::sandbox {
namespace {

constexpr uid_t kUser = 78242;
constexpr size_t kMaxOutputBytes = 64 << 10;

// Goes on as the first process of a namespace; the process that called ends when that has ended.
void EnterProcessIds() {
  if (::unshare(CLONE_NEWPID) < 0) ::_exit(125);
  const pid_t first = ::fork();
  if (first == 0) return;
  ::waitpid(first, nullptr, 0);
  ::_exit(0);
}

// Runs a script in a child confined by `program`; returns what it printed, or why it could not be confined.
std::string RunScript(const ConfinedProgram& program, const std::string& script) {
  sys::TwoFds pipe = sys::Pipe().value();
  const pid_t child = ::fork();
  if (child == 0) {
    if (HasOwnProcessIds(program.confinement)) EnterProcessIds();
    ::dup2(pipe.second.get(), 1);
    ::dup2(pipe.second.get(), 2);
    const Status confined = ConfineProgram(program);
    if (!confined) {
      (void)sys::WriteAll(1, AsBytes(confined.error().message()));
      ::_exit(127);
    }
    ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
    ::_exit(126);
  }
  pipe.second.Reset();
  std::string text = sys::ReadToEnd(pipe.first.get(), kMaxOutputBytes).value_or("");
  ::waitpid(child, nullptr, 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

ConfinedProgram Unconfined() {
  return {.confinement = policy::Confinement::kUnconfined,
          .settings = InitialSettings::Take().value(),
          .groups = {},
          .state_directory = "",
          .filter = {}};
}

class ServiceProgramTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
    char pattern[] = "/tmp/reeve-state-XXXXXX";
    state_ = ::mkdtemp(pattern);
    ASSERT_EQ(::chown(state_.c_str(), kUser, kUser), 0);
    filter_ = CompileProgramFilter(policy::Confinement::kService).value();
    program_.settings = InitialSettings::Take().value();
    program_.uid = kUser;
    program_.gid = kUser;
    program_.state_directory = state_;
    program_.filter = filter_;
  }
  void TearDown() override {
    if (state_.empty()) return;
    ::unlink((state_ + "/file").c_str());
    ::rmdir(state_.c_str());
  }
  std::string state_;
  std::vector<uint8_t> filter_;
  ConfinedProgram program_;
};

TEST_F(ServiceProgramTest, IsItsUserWithoutAnyCapability) {
  EXPECT_EQ(RunScript(program_, "id -u; id -g; id -G"), "78242\n78242\n78242");
  EXPECT_EQ(RunScript(program_,
                      "grep -E '^(CapPrm|CapEff|CapBnd|CapAmb|CapInh|NoNewPrivs|Seccomp):' /proc/self/status | "
                      "tr -d '\\t\\n'"),
            "CapInh:0000000000000000CapPrm:0000000000000000CapEff:0000000000000000CapBnd:0000000000000000"
            "CapAmb:0000000000000000NoNewPrivs:1Seccomp:2");
}

TEST_F(ServiceProgramTest, WritesItsStateDirectoryAndNothingElse) {
  EXPECT_EQ(RunScript(program_, "echo text > " + state_ + "/file && cat " + state_ + "/file"), "text");
  EXPECT_THAT(RunScript(program_, "echo text > /tmp/reeve-elsewhere"), testing::HasSubstr("Read-only file system"));
  EXPECT_THAT(RunScript(program_, "echo text > /var/tmp/reeve-elsewhere"), testing::HasSubstr("Read-only file system"));
}

TEST_F(ServiceProgramTest, WritesNothingWithoutAStateDirectory) {
  program_.state_directory.clear();
  EXPECT_THAT(RunScript(program_, "echo text > " + state_ + "/file"), testing::HasSubstr("Read-only file system"));
}

// Landlock refuses a second name in another directory (EXDEV) unless it is allowed.
TEST_F(ServiceProgramTest, LinksBetweenDirectoriesOfItsStateDirectory) {
  EXPECT_EQ(
      RunScript(program_, "cd " + state_ + " && mkdir d && echo text > file && ln file d/file && cat d/file; rm -r d"),
      "text");
}

// Another process of the same user stands where nothing is read-only.
TEST_F(ServiceProgramTest, WritesNothingThroughTheRootOfAnotherProcess) {
  const pid_t other = ::fork();
  if (other == 0) {
    if (::setresgid(kUser, kUser, kUser) != 0 || ::setresuid(kUser, kUser, kUser) != 0) ::_exit(1);
    ::execl("/bin/sleep", "sleep", "100", nullptr);
    ::_exit(1);
  }
  const std::string path = "/proc/" + std::to_string(other) + "/root" + state_;
  program_.state_directory.clear();
  const std::string output = RunScript(
      program_, "sleep 0.2; chmod 0711 " + path + " && echo changed; echo text > " + path + "/file; ls " + state_);
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  EXPECT_THAT(output, testing::Not(testing::HasSubstr("changed")));
  EXPECT_THAT(output, testing::Not(testing::EndsWith("file"))) << output;
  EXPECT_THAT(output, testing::HasSubstr("Permission denied"));
}

TEST_F(ServiceProgramTest, MakesNoNamespace) {
  EXPECT_THAT(RunScript(program_, "unshare --user true"), testing::HasSubstr("Operation not permitted"));
  EXPECT_THAT(RunScript(program_, "unshare --net true"), testing::HasSubstr("Operation not permitted"));
}

TEST_F(ServiceProgramTest, StillRunsOtherPrograms) {
  EXPECT_EQ(RunScript(program_, "ls /etc/passwd | cat"), "/etc/passwd");
}

TEST_F(ServiceProgramTest, MayBeOfRootsGroup) {
  program_.gid = 0;
  EXPECT_EQ(RunScript(program_, "id -g; id -u"), "0\n" + std::to_string(kUser));
}

TEST_F(ServiceProgramTest, RefusesToBeRoot) {
  program_.uid = 0;
  EXPECT_THAT(RunScript(program_, "echo ran"), testing::HasSubstr("other than root"));
}

TEST_F(ServiceProgramTest, RefusesAStateDirectoryThatIsNotThere) {
  program_.state_directory = "/nonexistent/directory";
  EXPECT_THAT(RunScript(program_, "echo ran"), testing::HasSubstr("No such file or directory"));
}

// The confinements that ServiceProgramTest is not about; tests/integration/test_confinements.py has the whole tables.
class ConfinedProgramTest : public testing::TestWithParam<policy::Confinement> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    filter_ = CompileProgramFilter(GetParam()).value();
    const bool has_user = GetParam() == policy::Confinement::kSandboxed;
    program_ = {.confinement = GetParam(),
                .settings = InitialSettings::Take().value(),
                .uid = has_user ? kUser : 0,
                .gid = has_user ? kUser : 0,
                .groups = {},
                .state_directory = "",
                .filter = filter_};
  }
  std::vector<uint8_t> filter_;
  ConfinedProgram program_;
};

TEST_P(ConfinedProgramTest, HasAFilterAndRunsAProgram) {
  EXPECT_EQ(RunScript(program_, "grep -c '^Seccomp:.2' /proc/self/status; ls -d /usr/bin | cat"), "1\n/usr/bin");
}

TEST_P(ConfinedProgramTest, WritesWhereItMayAndNowhereElse) {
  const std::string path = "/usr/reeve-was-here-" + std::to_string(::getpid());
  const std::string said = RunScript(program_, "echo a 2>&1 >" + path + " && rm " + path + " && echo wrote");
  const bool is_administrator = !HasOwnProcessIds(GetParam());
  EXPECT_THAT(said, testing::HasSubstr(is_administrator ? "wrote" : "Read-only file system"));
  EXPECT_EQ(RunScript(program_, "f=$(mktemp /tmp/reeve-XXXXXX) && echo a >$f && cat $f && rm $f"), "a");
}

TEST_P(ConfinedProgramTest, SeesNoDeviceItCouldHarm) {
  const std::string said = RunScript(program_, ": >>/dev/kmsg && echo opened");
  EXPECT_THAT(said, testing::HasSubstr(HasOwnProcessIds(GetParam()) ? "/dev/kmsg" : "opened"));
  EXPECT_EQ(RunScript(program_, "echo a >/dev/null && echo fine"), "fine");
}

TEST_P(ConfinedProgramTest, IsNothingWithoutItsFilter) {
  program_.filter = {};
  EXPECT_THAT(RunScript(program_, "echo ran"), testing::HasSubstr("a filter of 0 bytes is none"));
}

INSTANTIATE_TEST_SUITE_P(Each, ConfinedProgramTest,
                         testing::Values(policy::Confinement::kAdmin, policy::Confinement::kReadonly,
                                         policy::Confinement::kSandboxed, policy::Confinement::kHook));

TEST(UidUseTest, AUidIsInUseWhileAProcessHasIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  constexpr uid_t kOther = kUser + 1;
  EXPECT_FALSE(IsUidInUse(kOther).value());
  const sys::TwoFds changed = sys::Pipe().value();
  const pid_t child = ::fork();
  if (child == 0) {
    (void)!::setresuid(kOther, kOther, kOther);
    (void)sys::WriteAll(changed.second.get(), AsBytes("x"));
    for (;;) ::pause();
  }
  uint8_t byte[1];
  (void)sys::Read(changed.first.get(), byte);
  EXPECT_TRUE(IsUidInUse(kOther).value());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(IsUidInUse(kOther).value());
}

TEST(UnconfinedProgramTest, GetsBackWhatTheServiceManagerGave) {
  const mode_t mask = ::umask(022);
  const auto old_handler = ::signal(SIGUSR2, SIG_IGN);
  const auto old_pipe_handler = ::signal(SIGPIPE, SIG_DFL);  // systemd starts services with it ignored
  const ConfinedProgram program = Unconfined();
  ::signal(SIGUSR2, SIG_DFL);
  ::umask(0077);
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const rlimit before = files;
  files.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  EXPECT_EQ(RunScript(program, "umask; ulimit -n; grep -E '^Sig(Blk|Ign):' /proc/self/status | tr -d '\\t\\n'"),
            "0022\n" + std::to_string(before.rlim_cur) + "\nSigBlk:0000000000000000SigIgn:0000000000000800");
  ::sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  ::signal(SIGUSR2, old_handler);
  ::signal(SIGPIPE, old_pipe_handler);
  ::setrlimit(RLIMIT_NOFILE, &before);
  ::umask(mask);
}

TEST(UnconfinedProgramTest, CarriesNoFilterAndEveryCapability) {
  const ConfinedProgram program = Unconfined();
  const std::string lines = "grep -E '^(Cap...|NoNewPrivs|Seccomp):' /proc/self/status";
  // What this test itself has.
  std::string own;
  {
    const std::string status = sys::ReadFile("/proc/self/status", kMaxOutputBytes).value();
    for (size_t start = 0; start < status.size();) {
      const size_t end = status.find('\n', start);
      const std::string line = status.substr(start, end - start);
      const bool is_wanted = line.starts_with("Cap") || line.starts_with("NoNewPrivs:") || line.starts_with("Seccomp:");
      if (is_wanted) own += (own.empty() ? "" : "\n") + line;
      start = end + 1;
    }
  }
  EXPECT_EQ(RunScript(program, lines), own);
}

}  // namespace
}  // namespace reeve::sandbox
