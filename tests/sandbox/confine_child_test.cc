#include "agent/sandbox/confine_child.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

#include "agent/sandbox/landlock.h"
#include "agent/sandbox/libraries.h"
#include "agent/sandbox/process_check.h"
#include "base/sys.h"
#include "base/testing.h"
#include "tests/sandbox/confined_process.h"

namespace reeve::sandbox {
namespace {

using policy::InheritedFd;
using policy::PathAccess;

// A C++ library with constructors, relocations and dependencies of its own, as a plugin has.
constexpr const char* kSomeLibrary = "/usr/lib/x86_64-linux-gnu/libre2.so.9";

std::string TrimmedOutput(ConfinedProcess process) {
  std::string text = process.Output();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class ConfineChildTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "confining a process needs root";
  }

  // A shell is the probe: confined by all but the filters, which only our own processes enter themselves.
  static policy::SandboxProfile ShellProfile() {
    policy::SandboxProfile profile = TestWorker();
    profile.limits.tasks = 256;
    profile.limits.data_bytes = 256ull << 20;
    return profile;
  }

  static std::string Shell(const policy::SandboxProfile& profile, const std::string& script,
                           std::vector<PlacedFd> fds = {}, int plugin_fd = -1) {
    ConfinedProcess::Options options;
    options.binary = "/bin/dash";
    options.argv = {"dash", "-c", "exec 1>&2; " + script};
    options.extra_fds = std::move(fds);
    options.plugin_fd = plugin_fd;
    auto process = ConfinedProcess::StartSilent(profile, options);
    return process ? TrimmedOutput(std::move(*process)) : process.error().message();
  }
};

TEST_F(ConfineChildTest, AWorkerWorksAndMakesThreadsInItsRunSandbox) {
  ConfinedProcess::Options options;
  options.act = "work";
  auto process = ConfinedProcess::Start(TestWorker(), options);
  REEVE_ASSERT_OK(process);
  const ConfinedProcess::End end = process->Finish();
  ASSERT_TRUE(end.report) << "status " << end.status;
  EXPECT_EQ(end.report->result, 0);
}

TEST_F(ConfineChildTest, AnObjectAtThePluginPathIsLoadedInTheLoadSandboxAndNotLater) {
  const UniqueFd plugin(::open(kSomeLibrary, O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(plugin);
  for (const char* step : {"load", "run"}) {
    ConfinedProcess::Options options;
    options.step = step;
    options.act = "load an object";
    options.plugin_fd = plugin.get();
    auto process = ConfinedProcess::Start(TestWorker(), options);
    REEVE_ASSERT_OK(process);
    const ConfinedProcess::End end = process->Finish();
    ASSERT_TRUE(end.report) << "status " << end.status;
    EXPECT_EQ(end.report->result, std::string(step) == "load" ? 0 : -1);
  }
}

TEST_F(ConfineChildTest, AWorkerThatAbortsDiesOfItsOwnSignalAndNotOfTheFilter) {
  ConfinedProcess::Options options;
  options.act = "abort";
  auto process = ConfinedProcess::Start(TestWorker(), options);
  REEVE_ASSERT_OK(process);
  const ConfinedProcess::End end = process->Finish();
  EXPECT_TRUE(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT) << end.status;
}

TEST_F(ConfineChildTest, ThePrivateRootHoldsLibrariesAndNothingElse) {
  policy::SandboxProfile profile = ShellProfile();
  // dash looks by itself where Landlock lets it: only in what is granted. The names are tested one by one.
  EXPECT_EQ(Shell(profile,
                  "for d in etc proc sys dev usr bin home root tmp run var boot; do "
                  "test -e /$d && echo $d; done; echo end"),
            "end");
  EXPECT_EQ(Shell(profile, "test -e /lib64/ld-linux-x86-64.so.2 && echo loader"), "loader");
}

TEST_F(ConfineChildTest, ThePrivateRootCannotBeWritten) {
  EXPECT_THAT(Shell(ShellProfile(), ": > /file"), testing::HasSubstr("Read-only file system"));
}

TEST_F(ConfineChildTest, AGrantedDirectoryIsReadableAndNoMore) {
  policy::SandboxProfile profile = ShellProfile();
  profile.paths = {{"/usr/share/zoneinfo", PathAccess::kRead}};
  if (::access("/usr/share/zoneinfo/UTC", R_OK) < 0) GTEST_SKIP() << "no zoneinfo on this machine";
  EXPECT_EQ(Shell(profile, "read -r line < /usr/share/zoneinfo/UTC; case $line in TZif*) echo read;; esac"), "read");
  EXPECT_EQ(Shell(profile, "test -e /usr/share/doc && echo more; echo end"), "end");
}

class GrantedForWritingTest : public ConfineChildTest {
 protected:
  void SetUp() override {
    ConfineChildTest::SetUp();
    if (IsSkipped()) return;
    char pattern[] = "/tmp/reeve-grant-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    ASSERT_EQ(::chown(directory_.c_str(), TestWorker().uid, TestWorker().uid), 0);
  }
  void TearDown() override {
    if (directory_.empty()) return;
    ::unlink((directory_ + "/file").c_str());
    ::rmdir(directory_.c_str());
  }
  std::string directory_;
};

TEST_F(GrantedForWritingTest, OnlyAGrantForWritingCanBeWritten) {
  policy::SandboxProfile profile = ShellProfile();
  profile.paths = {{directory_, PathAccess::kRead}};
  EXPECT_NE(Shell(profile, "echo text > " + directory_ + "/file && echo written"), "written");
  profile.paths = {{directory_, PathAccess::kReadWrite}};
  EXPECT_EQ(Shell(profile, "echo text > " + directory_ + "/file && echo written"), "written");
}

TEST_F(ConfineChildTest, AGrantedPathThatDoesNotExistIsRemarkedAndNotFatal) {
  policy::SandboxProfile profile = TestWorker();
  profile.paths = {{"/nonexistent/path", PathAccess::kRead}};
  const auto process = ConfinedProcess::Start(profile, {});
  REEVE_ASSERT_OK(process);
  EXPECT_THAT(process->report().remarks, testing::Contains("files: granted path /nonexistent/path does not exist"));
}

TEST_F(ConfineChildTest, TheRecursiveSlaveSeesTheMachinesTreeButLandlockKeepsIt) {
  if (LandlockLevel() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  policy::SandboxProfile profile = ShellProfile();
  profile.mounts = policy::MountView::kRecursiveSlave;
  profile.paths = {{"/etc/os-release", PathAccess::kRead}};
  EXPECT_EQ(Shell(profile, "read -r line < /etc/os-release && echo read"), "read");
  EXPECT_THAT(Shell(profile, "read -r line < /etc/passwd && echo read"), testing::HasSubstr("Permission denied"));
}

TEST_F(ConfineChildTest, ThePluginStandsAtItsPathInBothKindsOfTree) {
  const UniqueFd plugin(::open("/lib/x86_64-linux-gnu/libm.so.6", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(plugin);
  policy::SandboxProfile profile = ShellProfile();
  EXPECT_EQ(Shell(profile, "test -r /plugin.so && echo there", {}, plugin.get()), "there");
  EXPECT_EQ(Shell(profile, "test -e /plugin.so || echo none"), "none");
  profile.mounts = policy::MountView::kRecursiveSlave;
  EXPECT_EQ(Shell(profile, "test -r /mnt/plugin.so && echo there", {}, plugin.get()), "there");
}

TEST_F(ConfineChildTest, LimitsUmaskAndDirectoryAreThePlans) {
  const policy::SandboxProfile profile = ShellProfile();
  EXPECT_EQ(Shell(profile, "ulimit -n; ulimit -c; ulimit -l; umask; pwd"),
            std::to_string(profile.limits.open_files) + "\n0\n0\n0077\n/");
}

TEST_F(ConfineChildTest, NothingOfTheEnvironmentIsInherited) {
  ASSERT_EQ(::setenv("REEVE_LEAK", "secret", 1), 0);
  EXPECT_EQ(Shell(ShellProfile(), "echo ${REEVE_LEAK:-clean}"), "clean");
  ::unsetenv("REEVE_LEAK");
}

TEST_F(ConfineChildTest, InheritedDescriptorsStandAtTheirNumbersWithTheWardensView) {
  policy::SandboxProfile profile = ShellProfile();
  InheritedFd mountinfo;
  mountinfo.kind = InheritedFd::Kind::kMountinfo;
  mountinfo.name = "mountinfo";
  InheritedFd load;
  load.kind = InheritedFd::Kind::kProcFile;
  load.path = "loadavg";
  profile.inherited = {load, mountinfo};
  // One line each: a shell reads descriptor 10 and up only by this detour.
  std::ifstream own("/proc/self/mountinfo");
  std::string first_line;
  std::getline(own, first_line);
  const std::string script =
      "read -r load <&10; read -r mounts <&11; echo \"$mounts\"; test -n \"$load\" && echo loaded";
  ConfinedProcess::Options options;
  options.binary = "/bin/bash";
  options.argv = {"bash", "-c", "exec 1>&2; " + script};
  auto process = ConfinedProcess::StartSilent(profile, options);
  REEVE_ASSERT_OK(process);
  EXPECT_EQ(TrimmedOutput(std::move(*process)), first_line + "\nloaded");
}

TEST_F(ConfineChildTest, AProcFileThatThisKernelHasNotReadsAsEmpty) {
  policy::SandboxProfile profile = TestWorker();
  InheritedFd missing;
  missing.kind = InheritedFd::Kind::kProcFile;
  missing.path = "net/of_no_kernel";
  profile.inherited = {missing};
  const auto process = ConfinedProcess::Start(profile, {});
  REEVE_ASSERT_OK(process);
  EXPECT_THAT(process->report().remarks, testing::Contains(testing::HasSubstr("it reads as empty")));
  const std::string link = "/proc/" + std::to_string(process->pid()) + "/fd/" + std::to_string(kFirstInheritedFd);
  EXPECT_EQ(std::filesystem::read_symlink(link), "/dev/null");
}

class RunDirectoryTest : public ConfineChildTest {
 protected:
  void SetUp() override {
    ConfineChildTest::SetUp();
    if (IsSkipped()) return;
    char pattern[] = "/tmp/reeve-run-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    std::filesystem::create_directory(directory_ + "/state");
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  static InheritedFd Wanted(InheritedFd::Kind kind, const std::string& path) {
    InheritedFd wanted;
    wanted.kind = kind;
    wanted.path = path;
    wanted.mode = 0620;
    return wanted;
  }
  static std::string LinkOf(pid_t pid, int fd) {
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd));
  }
  std::string directory_;
};

TEST_F(RunDirectoryTest, StateListenerAndRouteSocketAreMadeBeforeTheRootIsGone) {
  policy::SandboxProfile profile = TestWorker();
  profile.inherited = {Wanted(InheritedFd::Kind::kState, "freeze"), Wanted(InheritedFd::Kind::kListen, "pam"),
                       Wanted(InheritedFd::Kind::kNetlinkRoute, "")};
  ConfinedProcess::Options options;
  options.run_directory = directory_;
  const auto process = ConfinedProcess::Start(profile, options);
  REEVE_ASSERT_OK(process);
  EXPECT_THAT(LinkOf(process->pid(), kFirstInheritedFd), testing::EndsWith("/state/freeze"));
  EXPECT_THAT(LinkOf(process->pid(), kFirstInheritedFd + 1), testing::StartsWith("socket:"));
  EXPECT_THAT(LinkOf(process->pid(), kFirstInheritedFd + 2), testing::StartsWith("socket:"));
  struct stat listener{};
  ASSERT_EQ(::stat((directory_ + "/pam").c_str(), &listener), 0);
  EXPECT_EQ(listener.st_mode & 0777, 0620u);
  EXPECT_EQ(listener.st_uid, profile.uid);
  const auto expected = Expect(profile, Stage::kRun, {kControlFd, kPolicyFd});
  REEVE_ASSERT_OK(expected);
  EXPECT_THAT(expected->fds, testing::IsSupersetOf({10, 11, 12}));
}

TEST_F(ConfineChildTest, ARouteSocketMadeByRootReadsAndChangesNothing) {
  policy::SandboxProfile profile = TestWorker();
  InheritedFd routes;
  routes.kind = InheritedFd::Kind::kNetlinkRoute;
  profile.inherited = {routes};
  for (const auto& [act, error] : {std::pair("read a link", 0), std::pair("change a link", EPERM)}) {
    ConfinedProcess::Options options;
    options.act = act;
    auto process = ConfinedProcess::Start(profile, options);
    REEVE_ASSERT_OK(process);
    const ConfinedProcess::End end = process->Finish();
    ASSERT_TRUE(end.report) << "status " << end.status;
    EXPECT_EQ(end.report->error, error) << act;
  }
}

TEST_F(ConfineChildTest, ADescriptorThatTheWardenForgotDoesNotReachTheChild) {
  const UniqueFd low(::open("/dev/null", O_RDONLY));  // survives exec by itself
  const UniqueFd middle(::fcntl(low.get(), F_DUPFD, 300));
  const UniqueFd high(::fcntl(low.get(), F_DUPFD, 900));
  ASSERT_TRUE(low && middle && high);
  ConfinedProcess::Options options;
  options.step = "load";
  const auto process = ConfinedProcess::Start(TestWorker(), options);
  REEVE_ASSERT_OK(process);
  EXPECT_THAT(CheckProcess(process->pid(), *Expect(TestWorker(), Stage::kLoad, {kControlFd, kPolicyFd})), IsOk());
}

TEST_F(ConfineChildTest, AnInheritedFileIsNoWayOutOfProc) {
  policy::SandboxProfile profile = TestWorker();
  InheritedFd escape;
  escape.path = "../etc/shadow";
  profile.inherited = {escape};
  EXPECT_THAT(ConfinedProcess::Start(profile, {}),
              FailsSaying("step 'inherited': '../etc/shadow' is not a path below"));
}

TEST_F(ConfineChildTest, CapabilitiesOfTheProfileSurviveExecAndNoOthers) {
  policy::SandboxProfile profile = TestWorker();
  profile.capabilities = 1ull << 25;  // CAP_SYS_TIME
  const auto process = ConfinedProcess::Start(profile, {});
  REEVE_ASSERT_OK(process);
  std::ifstream file("/proc/" + std::to_string(process->pid()) + "/status");
  const std::string status((std::istreambuf_iterator<char>(file)), {});
  for (const char* line : {"CapInh:\t0000000000000000", "CapPrm:\t0000000002000000", "CapEff:\t0000000002000000",
                           "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1"}) {
    EXPECT_THAT(status, testing::HasSubstr(line));
  }
}

TEST_F(ConfineChildTest, RefusesToRunAsRootAndNamesTheStep) {
  policy::SandboxProfile profile = TestWorker();
  profile.uid = 0;
  EXPECT_THAT(ConfinedProcess::Start(profile, {}), FailsSaying("step 'plan': a confined process cannot be root"));
}

TEST_F(ConfineChildTest, RefusesToRunBelowTheDemandedLandlockLevel) {
  policy::SandboxProfile profile = TestWorker();
  profile.landlock_minimum = 999;
  EXPECT_THAT(ConfinedProcess::Start(profile, {}), FailsSaying("policy demands 999"));
}

TEST_F(ConfineChildTest, RefusesToOutliveAWardenThatIsGone) {
  ConfinedProcess::Options options;
  options.warden_pid = 1;
  EXPECT_THAT(ConfinedProcess::Start(TestWorker(), options), FailsSaying("step 'parent': the warden is gone"));
}

TEST_F(ConfineChildTest, RefusesABinaryThatIsNoProgram) {
  ConfinedProcess::Options options;
  options.binary = "/etc/passwd";
  EXPECT_THAT(ConfinedProcess::Start(TestWorker(), options), FailsSaying("step 'files': not a 64-bit ELF file"));
}

// Forks a process that starts a confined child and is then killed; tells whether the child died with it.
bool DiesWithItsParent(const policy::SandboxProfile& profile) {
  const sys::TwoFds pipe = sys::Pipe().value();
  const pid_t parent = ::fork();
  if (parent == 0) {
    const auto process = ConfinedProcess::Start(profile, {});
    const pid_t pid = process ? process->pid() : -1;
    (void)sys::WriteAll(pipe.second.get(), BytesOf(pid));
    for (;;) ::pause();
  }
  pid_t child = -1;
  (void)!::read(pipe.first.get(), &child, sizeof child);
  if (child <= 0) return false;
  // Its channel closes a moment before the parent counts as dead. Stopped, it cannot end by itself in between.
  ::kill(child, SIGSTOP);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  ::kill(child, SIGCONT);
  int status = 0;
  ::waitpid(child, &status, 0);  // as its subreaper
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

TEST_F(ConfineChildTest, AWorkerDiesWithTheWarden) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  EXPECT_TRUE(DiesWithItsParent(TestWorker()));
  policy::SandboxProfile survivor = TestWorker();
  survivor.dies_with_parent = false;
  EXPECT_FALSE(DiesWithItsParent(survivor));  // it sees its channel close, and ends by itself
  ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

// What `act` returns, by a process that has become an ordinary user.
std::string AsOrdinaryUser(uint32_t uid, const std::function<std::string()>& act) {
  auto pipe = sys::Pipe();
  const pid_t pid = ::fork();
  if (pid == 0) {
    const bool is_user =
        ::setgroups(0, nullptr) == 0 && ::setresgid(uid, uid, uid) == 0 && ::setresuid(uid, uid, uid) == 0;
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // as after exec by the user; /proc/self is his again
    (void)sys::WriteAll(pipe->second.get(), AsBytes(is_user ? act() : "could not become the user"));
    ::_exit(0);
  }
  pipe->second.Reset();
  std::string said = sys::ReadToEnd(pipe->first.get(), 64 << 10).value_or("(unreadable)");
  ::waitpid(pid, nullptr, 0);
  return said;
}

TEST_F(ConfineChildTest, AnOrdinaryUsersProcessReachesNoFileAndGetsNoPrivilege) {
  if (LandlockLevel() == 0) GTEST_SKIP() << "this kernel has no Landlock, which alone stands here before files";
  constexpr uint32_t kUser = 54322;
  policy::SandboxProfile profile = ShellProfile();
  profile.uid = kUser;
  profile.is_unprivileged = true;
  const std::string said = AsOrdinaryUser(kUser, [&] {
    return Shell(profile, "read line < /etc/passwd; true > /tmp/x; exec /bin/true; echo not reached");
  });
  EXPECT_THAT(said, testing::HasSubstr("cannot open /etc/passwd: Permission denied"));
  EXPECT_THAT(said, testing::HasSubstr("cannot create /tmp/x: Permission denied"));
  EXPECT_THAT(said, testing::HasSubstr("/bin/true: Permission denied"));
}

TEST_F(ConfineChildTest, AnOrdinaryUserCannotGiveCapabilities) {
  policy::SandboxProfile profile = ShellProfile();
  profile.is_unprivileged = true;
  profile.capabilities = 1;
  EXPECT_THAT(Shell(profile, "echo alive"), testing::HasSubstr("take root to give"));
}

TEST(LibrariesTest, NamesTheLoaderAndEveryLibraryOnce) {
  const UniqueFd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const auto libraries = NeededLibraries({self.get()});
  REEVE_ASSERT_OK(libraries);
  EXPECT_EQ(libraries->loader, "/lib64/ld-linux-x86-64.so.2");
  const std::set<std::string> distinct(libraries->files.begin(), libraries->files.end());
  EXPECT_EQ(distinct.size(), libraries->files.size());
  EXPECT_THAT(libraries->files, testing::Contains(testing::EndsWith("/libc.so.6")));
}

TEST(LibrariesTest, RefusesAFileThatIsNoProgram) {
  const UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(NeededLibraries({file.get()}), FailsWith(Code::kInvalidArgument));
}

TEST(ConfineReportTest, TellsRemarksFromTheFailure) {
  const ConfineReport report = ParseConfineReport("remark: limits: x\nnoise\nfailure: step 'user': y\n");
  EXPECT_THAT(report.remarks, testing::ElementsAre("limits: x"));
  EXPECT_EQ(report.failure, "step 'user': y");
  EXPECT_TRUE(ParseConfineReport("").failure.empty());
}

}  // namespace
}  // namespace reeve::sandbox
