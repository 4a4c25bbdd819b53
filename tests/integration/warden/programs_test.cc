#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "agent/warden/running_programs.h"
#include "agent/wire/messages.h"
#include "base/sys.h"
#include "base/testing.h"

// Programs are really run: what they get, how they end, and that they end whole.

namespace reeve::warden {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr uint32_t kOwner = 1;
// What no test takes on a machine that works at all.
constexpr int kMaxTurns = 3000;

struct Outcome {
  bool has_started = false;
  Refusal refusal;
  StartedProgram program;
  std::string out;
  std::string err;
  wire::ProgramStatus status;
};

class ProgramsTest : public testing::Test {
 protected:
  ProgramsTest() : loop_(*EventLoop::Create(clock_)), reaper_(loop_), settings_(*sandbox::InitialSettings::Take()) {
    std::string pattern = (fs::temp_directory_path() / "reeve-programs-XXXXXX").string();
    top_ = ::mkdtemp(pattern.data());
    auto groups = sandbox::CgroupTree::Find();
    if (groups) groups_ = std::move(*groups);
    programs_ = std::make_unique<RunningPrograms>(loop_, reaper_, groups_);
  }
  ~ProgramsTest() override {
    programs_->SignalAll(SIGKILL);
    TurnUntil([this] { return programs_->running() == 0; });
    fs::remove_all(top_);
  }

  template <typename Claim>
  bool TurnUntil(Claim claim) {
    for (int turn = 0; turn < kMaxTurns && !claim(); ++turn)
      if (!loop_.RunOnce(milliseconds(10))) return false;
    return claim();
  }

  // A rule as profile `open` has it.
  PermittedProgram Any(std::vector<std::string> argv) {
    PermittedProgram program;
    program.rule.name = "open";
    program.rule.run = "*";
    program.rule.confine = policy::Confinement::kUnconfined;
    program.argv = std::move(argv);
    program.environment = {"PATH=/usr/bin:/bin", "MARK=here"};
    program.search_path = "/usr/bin:/bin";
    program.settings = settings_;
    return program;
  }
  PermittedProgram Shell(const std::string& script) { return Any({"/bin/sh", "-c", script}); }

  Outcome Start(PermittedProgram program, WantedStreams streams) {
    Outcome outcome;
    bool is_answered = false;
    programs_->Start(std::move(program), streams, kOwner, [&](Granted<StartedProgram> started) {
      is_answered = true;
      outcome.has_started = started.has_value();
      if (started)
        outcome.program = std::move(*started);
      else
        outcome.refusal = started.error();
    });
    EXPECT_TRUE(TurnUntil([&] { return is_answered; }));
    return outcome;
  }

  // All that comes until the end of the stream, while the loop turns.
  std::string ReadAll(int fd) {
    std::string text;
    bool is_at_end = fd < 0;
    TurnUntil([&] {
      uint8_t piece[4096];
      while (!is_at_end) {
        const auto count = sys::Read(fd, piece);
        if (!count) break;
        is_at_end = *count == 0;
        text += AsText(Bytes(piece).first(*count));
      }
      return is_at_end;
    });
    return text;
  }

  void Finish(Outcome& outcome) {
    outcome.out = ReadAll(outcome.program.stdout_pipe.get());
    outcome.err = ReadAll(outcome.program.stderr_pipe.get());
    const std::string status = ReadAll(outcome.program.status.get());
    ASSERT_EQ(status.size(), sizeof outcome.status);
    status.copy(reinterpret_cast<char*>(&outcome.status), sizeof outcome.status);
  }

  Outcome Run(PermittedProgram program, WantedStreams streams = {.has_stdout = true, .has_stderr = true}) {
    Outcome outcome = Start(std::move(program), streams);
    EXPECT_TRUE(outcome.has_started) << outcome.refusal.text;
    if (outcome.has_started) Finish(outcome);
    return outcome;
  }

  std::string Write(const std::string& name, const std::string& text, mode_t mode) {
    const std::string path = (top_ / name).string();
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  static bool IsAlive(pid_t pid) { return ::kill(pid, 0) == 0; }

  MonotonicClock clock_;
  EventLoop loop_;
  Reaper reaper_;
  sandbox::InitialSettings settings_;
  std::optional<sandbox::CgroupTree> groups_;
  std::unique_ptr<RunningPrograms> programs_;
  fs::path top_;
};

TEST_F(ProgramsTest, ItsExitCodeComesThroughTheStatusPipe) {
  const Outcome outcome = Run(Shell("exit 7"));
  EXPECT_EQ(outcome.status.kind, 1u);
  EXPECT_EQ(outcome.status.value, 7);
  EXPECT_EQ(outcome.status.was_timed_out, 0u);
}

TEST_F(ProgramsTest, SoDoesTheSignalThatEndedIt) {
  const Outcome outcome = Run(Shell("kill -9 $$"));
  EXPECT_EQ(outcome.status.kind, 2u);
  EXPECT_EQ(outcome.status.value, SIGKILL);
}

TEST_F(ProgramsTest, StreamsAreSeparateOrMergedInOrder) {
  const std::string script = "echo a; echo b >&2; echo c";
  const Outcome apart = Run(Shell(script));
  EXPECT_EQ(apart.out, "a\nc\n");
  EXPECT_EQ(apart.err, "b\n");
  const Outcome merged = Run(Shell(script), {.has_stdout = true, .is_merged = true});
  EXPECT_EQ(merged.out, "a\nb\nc\n");
  EXPECT_FALSE(merged.program.stderr_pipe.is_open());
}

TEST_F(ProgramsTest, OneStreamAloneIsPossible) {
  const Outcome only_err = Run(Shell("echo a; echo b >&2"), {.has_stderr = true});
  EXPECT_EQ(only_err.err, "b\n");
  EXPECT_FALSE(only_err.program.stdout_pipe.is_open());
}

TEST_F(ProgramsTest, StandardInputIsThePipeOrEmpty) {
  Outcome fed = Start(Any({"cat"}), {.has_stdin = true, .has_stdout = true});
  ASSERT_TRUE(fed.has_started);
  REEVE_ASSERT_OK(sys::WriteAll(fed.program.stdin_pipe.get(), AsBytes("given")));
  fed.program.stdin_pipe.Reset();
  Finish(fed);
  EXPECT_EQ(fed.out, "given");
  EXPECT_EQ(Run(Any({"cat"})).out, "");
}

TEST_F(ProgramsTest, ItsEnvironmentIsTheGivenOneAndNothingElseIsOpen) {
  EXPECT_EQ(Run(Any({"/usr/bin/env"})).out, "PATH=/usr/bin:/bin\nMARK=here\n");
  const std::string look = "n=3; while [ $n -lt 300 ]; do [ -e /proc/$$/fd/$n ] && echo $n; n=$((n+1)); done";
  EXPECT_EQ(Run(Shell(look)).out, "");
}

TEST_F(ProgramsTest, SignalsMaskAndUmaskAreAsTheWardenWasStarted) {
  // What this process has changed since is not inherited.
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigset_t before;
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  const mode_t umask_before = ::umask(0);
  const Outcome outcome = Run(Shell("grep -E 'SigBlk|SigIgn' /proc/self/status; umask"));
  ::umask(umask_before);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  EXPECT_THAT(outcome.out, HasSubstr("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
  char planned[8];
  std::snprintf(planned, sizeof planned, "%04o\n", static_cast<unsigned>(umask_before));
  EXPECT_THAT(outcome.out, HasSubstr(planned));
}

TEST_F(ProgramsTest, ANameIsFoundByPathAndAMissingOneIsENOENT) {
  EXPECT_EQ(Run(Any({"true"})).status.value, 0);
  const Outcome missing = Start(Any({"no-such-program"}), {});
  EXPECT_FALSE(missing.has_started);
  EXPECT_EQ(missing.refusal.error_number, ENOENT);
}

TEST_F(ProgramsTest, AForbiddenOneWinsOverAMissingOne) {
  Write("tool", "#!/bin/sh\n", 0644);
  PermittedProgram program = Any({"tool"});
  program.search_path = top_.string() + ":/nowhere";
  EXPECT_EQ(Start(std::move(program), {}).refusal.error_number, EACCES);
}

TEST_F(ProgramsTest, AFileWithoutInterpreterIsTheShells) {
  const std::string path = Write("script", "echo ran $0 $1; exit 3\n", 0755);
  const Outcome outcome = Run(Any({path, "x y"}));
  EXPECT_EQ(outcome.out, "ran " + path + " x y\n");
  EXPECT_EQ(outcome.status.value, 3);
}

// As /usr/bin and /etc are: no directory on the way that anybody else may write.
class ReplacedProgramTest : public ProgramsTest {
 protected:
  ReplacedProgramTest() {
    std::string pattern = "/run/reeve-replaced-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~ReplacedProgramTest() override { fs::remove_all(directory_); }
  PermittedProgram Named(const std::string& name, const std::string& text) {
    const std::string path = Put(name, text);
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    PermittedProgram program = Any({path});
    program.rule.run = path;
    program.rule.program = {.resolved_path = path, .device = status.st_dev, .inode = status.st_ino};
    return program;
  }
  // By rename, as a package manager and most editors do.
  std::string Put(const std::string& name, const std::string& text) {
    const fs::path path = directory_ / name;
    std::ofstream(path.string() + ".new") << text;
    fs::permissions(path.string() + ".new", fs::perms(0755));
    fs::rename(path.string() + ".new", path);
    return path.string();
  }
  fs::path directory_;
};

TEST_F(ReplacedProgramTest, WhatRootPutInItsPlaceIsRun) {
  const PermittedProgram program = Named("tool", "#!/bin/sh\necho old\n");
  EXPECT_EQ(Run(program).out, "old\n");
  Put("tool", "#!/bin/sh\necho new\n");
  EXPECT_EQ(Run(program).out, "new\n");
}

TEST_F(ReplacedProgramTest, WhatWasNotThereWhenThePolicyWasReadAndIsNowIsRun) {
  PermittedProgram program = Any({(directory_ / "late").string()});
  program.rule.run = program.argv[0];
  EXPECT_EQ(Start(program, {}).refusal.error_number, ENOENT);
  Put("late", "#!/bin/sh\necho here\n");
  EXPECT_EQ(Run(program).out, "here\n");
}

TEST_F(ReplacedProgramTest, WhereOthersMayPutFilesNothingNewIsRun) {
  const PermittedProgram program = Named("tool", "#!/bin/sh\necho old\n");
  Put("tool", "#!/bin/sh\necho new\n");
  fs::permissions(directory_, fs::perms(01777));
  const Outcome outcome = Start(program, {});
  EXPECT_THAT(outcome.refusal.text, HasSubstr("which a restart of the service does again (" + directory_.string() +
                                              " may be written by others"));
}

TEST_F(ReplacedProgramTest, ALinkThatTookItsPlaceIsNotFollowed) {
  const PermittedProgram program = Named("tool", "#!/bin/sh\necho old\n");
  fs::remove(directory_ / "tool");
  fs::create_symlink("/bin/echo", directory_ / "tool");
  EXPECT_THAT(Start(program, {}).refusal.text, HasSubstr("is no regular file"));
}

TEST_F(ReplacedProgramTest, WhatBelongsToAnotherIsNotRun) {
  const PermittedProgram program = Named("tool", "#!/bin/sh\necho old\n");
  const std::string path = Put("tool", "#!/bin/sh\necho new\n");
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  EXPECT_THAT(Start(program, {}).refusal.text, HasSubstr("belongs to user 65534, not to root"));
}

TEST_F(ReplacedProgramTest, ALateOneThatALinkOfOthersLeadsToIsNotRun) {
  Put("real", "#!/bin/sh\necho real\n");
  const fs::path link = top_ / "link";  // below /tmp
  fs::create_symlink(directory_ / "real", link);
  PermittedProgram program = Any({link.string()});
  program.rule.run = program.argv[0];
  const Outcome outcome = Start(program, {});
  EXPECT_EQ(outcome.refusal.error_number, ENOENT);
  EXPECT_THAT(outcome.refusal.text, HasSubstr("was not there when the policy was read"));
}

TEST_F(ProgramsTest, ANamedProgramMustBeTheFileThatThePolicySaw) {
  const std::string path = Write("tool", "#!/bin/sh\necho $0\n", 0755);
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  PermittedProgram program = Any({path});
  program.rule.run = path;
  program.rule.program = {.resolved_path = path, .device = status.st_dev, .inode = status.st_ino};
  EXPECT_EQ(Run(program).out, path + "\n");  // a script is run by its path

  fs::rename(path, path + ".old");
  Write("tool", "#!/bin/sh\necho other\n", 0755);
  Outcome outcome = Start(program, {.has_stdout = true});
  EXPECT_FALSE(outcome.has_started);
  EXPECT_THAT(outcome.refusal.text, HasSubstr("is not the file that stood there"));

  fs::rename(path + ".old", path);
  fs::permissions(path, fs::perms::all);
  outcome = Start(program, {});
  EXPECT_THAT(outcome.refusal.text, HasSubstr("may be written by others"));

  fs::permissions(path, fs::perms(0755));
  program.rule.program.resolved_path.clear();
  EXPECT_EQ(Start(program, {}).refusal.error_number, ENOENT);
}

// A rule may name it by a link that stands where others can turn it.
TEST_F(ProgramsTest, WhatWasCheckedIsRunWhereverTheRulesLinkLeadsNow) {
  const std::string path = Write("tool", "#!/bin/sh\necho checked\n", 0755);
  const std::string other = Write("other", "#!/bin/sh\necho other\n", 0755);
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  const std::string link = (top_ / "link").string();
  fs::create_symlink(other, link);
  PermittedProgram program = Any({link});
  program.rule.run = link;
  program.rule.program = {.resolved_path = path, .device = status.st_dev, .inode = status.st_ino};
  EXPECT_EQ(Run(program).out, "checked\n");
}

TEST_F(ProgramsTest, WhatIsDeniedIsDeniedUnderTheNameOfALinkToo) {
  fs::create_directory(top_ / "sbin");
  Write("sbin/tool", "#!/bin/sh\necho ran\n", 0755);
  fs::create_symlink("sbin", top_ / "bin");
  fs::create_symlink("sbin/tool", top_ / "link");
  policy::Policy policy;
  policy.program_denies.push_back({.run = (top_ / "sbin/tool").string(), .arg_any = {}, .origin = {"policy.yaml", 9}});
  const policy::Decider decider = *policy::Decider::Create(policy);
  for (const char* name : {"bin/tool", "link"}) {
    PermittedProgram program = Any({(top_ / name).string()});
    program.decider = &decider;
    EXPECT_THAT(Start(program, {}).refusal.text, HasSubstr("policy.yaml:9")) << name;
  }
  PermittedProgram program = Any({"tool"});
  program.search_path = "/nowhere:" + (top_ / "bin").string();
  program.decider = &decider;
  EXPECT_THAT(Start(program, {}).refusal.text, HasSubstr("policy.yaml:9"));
  program.argv = {"/bin/true"};
  EXPECT_EQ(Run(program).status.value, 0);
}

TEST_F(ProgramsTest, AConfinementThatCannotBeRefuses) {
  PermittedProgram program = Any({"true"});
  program.rule.confine = policy::Confinement::kSandboxed;
  EXPECT_THAT(Start(program, {}).refusal.text, HasSubstr("as many sandboxed programs run"));
  program.rule.confine = policy::Confinement::kService;
  EXPECT_THAT(Start(program, {}).refusal.text, HasSubstr("other than root"));
  program.rule.confine = policy::Confinement::kAdmin;
  EXPECT_THAT(Start(program, {}).refusal.text, HasSubstr("a filter of 0 bytes is none"));
}

TEST_F(ProgramsTest, ATimeoutEndsItAndSaysSo) {
  PermittedProgram program = Shell("sleep 1000");
  program.rule.timeout_ms = 50;
  const Outcome outcome = Run(program);
  EXPECT_EQ(outcome.status.kind, 2u);
  EXPECT_EQ(outcome.status.value, SIGTERM);
  EXPECT_EQ(outcome.status.was_timed_out, 1u);
}

TEST_F(ProgramsTest, WhoIgnoresTheTermIsKilledAfterTheGrace) {
  PermittedProgram program = Shell("trap '' TERM; while :; do sleep 0.1; done");
  program.rule.timeout_ms = 50;
  const Outcome outcome = Run(program);
  EXPECT_EQ(outcome.status.value, SIGKILL);
  EXPECT_EQ(outcome.status.was_timed_out, 1u);
}

TEST_F(ProgramsTest, ASignalReachesTheWholeGroupAndOnlyFromItsOwner) {
  Outcome outcome = Start(Shell("sleep 1000 & echo $!; wait"), {.has_stdout = true});
  ASSERT_TRUE(outcome.has_started);
  const auto stranger = programs_->Signal(kOwner + 1, outcome.program.program, SIGKILL);
  ASSERT_FALSE(stranger);
  EXPECT_EQ(stranger.error().error_number, ESRCH);
  ASSERT_TRUE(programs_->Signal(kOwner, outcome.program.program, SIGTERM));
  Finish(outcome);  // the pipe is at its end: the child in the background is gone too
  EXPECT_EQ(outcome.status.value, SIGTERM);
  // Its control group goes as soon as the last of its dead is reaped.
  EXPECT_TRUE(TurnUntil([&] { return !programs_->Signal(kOwner, outcome.program.program, SIGKILL); }));
}

TEST_F(ProgramsTest, WhatAnEndedProgramLeftBehindCanOnlyBeKilled) {
  if (!groups_) GTEST_SKIP() << "no writable version 2 control group here";
  Outcome outcome = Start(Shell("setsid sleep 1000 >/dev/null 2>&1 & echo $!"), {.has_stdout = true});
  ASSERT_TRUE(outcome.has_started);
  Finish(outcome);
  const pid_t daemon = std::atoi(outcome.out.c_str());
  const auto asked = programs_->Signal(kOwner, outcome.program.program, SIGTERM);
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().error_number, ESRCH);
  const UniqueFd watched(static_cast<int>(::syscall(434 /* pidfd_open */, daemon, 0)));
  ASSERT_TRUE(programs_->Signal(kOwner, outcome.program.program, SIGKILL));
  pollfd ended{watched.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 5000), 1);
}

TEST_F(ProgramsTest, AGrandchildThatBecameADaemonEndsByTheControlGroup) {
  if (!groups_) GTEST_SKIP() << "no writable version 2 control group here";
  // Its own session, so no process group reaches it.
  Outcome outcome = Start(Shell("setsid sleep 1000 & echo $!; wait"), {.has_stdout = true});
  ASSERT_TRUE(outcome.has_started);
  std::string pid;
  TurnUntil([&] {
    uint8_t piece[64];
    const auto count = sys::Read(outcome.program.stdout_pipe.get(), piece);
    if (count) pid += AsText(Bytes(piece).first(*count));
    return pid.ends_with('\n');
  });
  const pid_t daemon = std::atoi(pid.c_str());
  ASSERT_TRUE(IsAlive(daemon));
  ASSERT_TRUE(programs_->Signal(kOwner, outcome.program.program, SIGKILL));
  Finish(outcome);  // the daemon held the pipe open: its end is the daemon's
  EXPECT_EQ(outcome.status.value, SIGKILL);
}

TEST_F(ProgramsTest, WhatAnEndedProgramLeftBehindLivesOnAndEndsWithTheService) {
  if (!groups_) GTEST_SKIP() << "no writable version 2 control group here";
  Outcome outcome = Start(Shell("setsid sleep 1000 >/dev/null 2>&1 & echo $!"), {.has_stdout = true});
  ASSERT_TRUE(outcome.has_started);
  Finish(outcome);
  const pid_t daemon = std::atoi(outcome.out.c_str());
  EXPECT_EQ(outcome.status.value, 0);
  EXPECT_EQ(programs_->running(), 0u);
  EXPECT_TRUE(IsAlive(daemon));
  programs_->SignalAll(SIGTERM);
  EXPECT_TRUE(IsAlive(daemon));
  const UniqueFd watched(static_cast<int>(::syscall(434 /* pidfd_open */, daemon, 0)));
  programs_->SignalAll(SIGKILL);
  pollfd ended{watched.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 5000), 1);
}

TEST_F(ProgramsTest, WhatEndsWithItsRequestIsKilledWithItAndNothingElse) {
  constexpr uint64_t kRequest = 7;
  const auto start = [&](uint64_t request, const std::string& script) {
    PermittedProgram program = Shell(script);
    program.ends_with_request = request;
    return Start(std::move(program), {.has_stdout = true});
  };
  Outcome bound = start(kRequest, "sleep 1000 & wait");
  Outcome other_request = start(kRequest + 1, "sleep 1000");
  Outcome free = start(0, "sleep 1000");
  programs_->EndWithRequest(kOwner, 0);
  programs_->EndWithRequest(kOwner + 1, kRequest);
  programs_->EndWithRequest(kOwner, kRequest);
  Finish(bound);  // the pipe is at its end: what it forked is gone too
  EXPECT_EQ(bound.status.value, SIGKILL);
  EXPECT_EQ(programs_->running(), 2u);
  programs_->EndWithWorker(kOwner + 1);
  programs_->EndWithWorker(kOwner);
  Finish(other_request);
  EXPECT_EQ(other_request.status.value, SIGKILL);
  EXPECT_EQ(programs_->running(), 1u);
  EXPECT_TRUE(IsAlive(free.program.pid));
  programs_->SignalAll(SIGKILL);
  Finish(free);
}

TEST_F(ProgramsTest, WhatAProgramLeftBehindOutlivesTheRequest) {
  if (!groups_) GTEST_SKIP() << "no writable version 2 control group here";
  PermittedProgram program = Shell("setsid sleep 1000 >/dev/null 2>&1 & echo $!");
  program.ends_with_request = 7;
  const Outcome outcome = Run(std::move(program));
  programs_->EndWithRequest(kOwner, 7);
  programs_->EndWithWorker(kOwner);
  EXPECT_TRUE(IsAlive(std::atoi(outcome.out.c_str())));
}

TEST_F(ProgramsTest, ManyRunAtOnceAndEachGetsItsOwnEnd) {
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 20; ++i)
    outcomes.push_back(Start(Shell("read x; exit " + std::to_string(i)), {.has_stdin = true}));
  EXPECT_EQ(programs_->running(), 20u);
  for (int i = 19; i >= 0; --i) {
    outcomes[i].program.stdin_pipe.Reset();
    Finish(outcomes[i]);
    EXPECT_EQ(outcomes[i].status.value, i);
  }
}

}  // namespace
}  // namespace reeve::warden
