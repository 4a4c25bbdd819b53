#include "agent/sandbox/cgroup.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/sys.h"
#include "base/testing.h"

namespace reeve::sandbox {
namespace {

std::string LeafName() {
  return "reeve-test-" + std::to_string(::getpid());
}

class CgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto tree = CgroupTree::Find();
    if (!tree) GTEST_SKIP() << tree.error().message();
    // A grandchild that lost its parent comes to this process, which can then wait for its end.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  }
  void TearDown() override { ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); }

  static pid_t ForkInto(const Cgroup& leaf) {
    clone_args arguments{};
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = SIGCHLD;
    arguments.cgroup = static_cast<uint64_t>(leaf.fd());
    return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
  }
};

// A child of `leaf` that forks, leaves its session and ends; what it forked lives on. Returns the grandchild.
pid_t StartDaemon(pid_t child, const sys::TwoFds& pipe) {
  if (child == 0) {
    ::setsid();
    const pid_t daemon = ::fork();
    if (daemon == 0) {
      ::setsid();
      for (;;) ::pause();
    }
    (void)sys::WriteAll(pipe.second.get(), BytesOf(daemon));
    ::_exit(0);
  }
  pid_t daemon = -1;
  (void)!::read(pipe.first.get(), &daemon, sizeof daemon);
  ::waitpid(child, nullptr, 0);
  return daemon;
}

TEST_F(CgroupTest, KillAllEndsAGrandchildThatBecameADaemon) {
  auto leaf = CgroupTree::Find()->MakeLeaf(LeafName());
  REEVE_ASSERT_OK(leaf);
  const sys::TwoFds pipe = sys::Pipe().value();
  const pid_t daemon = StartDaemon(ForkInto(*leaf), pipe);
  ASSERT_GT(daemon, 0);
  EXPECT_FALSE(leaf->IsEmpty().value());
  REEVE_ASSERT_OK(leaf->KillAll());
  int status = 0;
  ASSERT_EQ(::waitpid(daemon, &status, 0), daemon);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_TRUE(leaf->IsEmpty().value());
  EXPECT_THAT(leaf->Remove(), IsOk());
}

TEST_F(CgroupTest, ALeafWithMembersIsNotRemoved) {
  auto leaf = CgroupTree::Find()->MakeLeaf(LeafName());
  REEVE_ASSERT_OK(leaf);
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  REEVE_ASSERT_OK(leaf->Add(child));
  EXPECT_THAT(leaf->Remove(), FailsWith(Code::kUnavailable));
  REEVE_ASSERT_OK(leaf->KillAll());
  ::waitpid(child, nullptr, 0);
  EXPECT_THAT(leaf->Remove(), IsOk());
}

TEST_F(CgroupTest, ALeafIsRemovedWithItsObject) {
  const auto tree = CgroupTree::Find();
  const std::string path = tree->path() + "/" + LeafName();
  {
    const auto leaf = tree->MakeLeaf(LeafName());
    REEVE_ASSERT_OK(leaf);
    EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST_F(CgroupTest, StaleLeavesOfAnEarlierRunAreRemoved) {
  const auto tree = CgroupTree::Find();
  const std::string path = tree->path() + "/" + LeafName() + "-stale";
  ASSERT_EQ(::mkdir(path.c_str(), 0755), 0);
  tree->RemoveStaleLeaves(LeafName());
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST_F(CgroupTest, StaleLeavesGoWithWhoIsInThem) {
  const auto tree = CgroupTree::Find();
  const std::string path = tree->path() + "/" + LeafName() + "-stale";
  ASSERT_EQ(::mkdir(path.c_str(), 0755), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  std::ofstream(path + "/cgroup.procs") << pid << std::flush;
  tree->RemoveStaleLeaves(LeafName());
  // Its member is a zombie of this test's, which a leaf does not count.
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST_F(CgroupTest, RefusesANameThatIsAPath) {
  EXPECT_THAT(CgroupTree::Find()->MakeLeaf("../escape"), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(CgroupTree::Find()->MakeLeaf("a/b"), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(CgroupTree::Find()->MakeLeaf(""), FailsWith(Code::kInvalidArgument));
}

}  // namespace
}  // namespace reeve::sandbox
