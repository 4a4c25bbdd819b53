#include "agent/sandbox/process_check.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/testing.h"
#include "tests/sandbox/confined_process.h"

namespace reeve::sandbox {
namespace {

const std::vector<int> kPlannedFds = {kControlFd, kPolicyFd};

class ProcessCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "looking into a confined process needs root";
  }

  static ConfinedProcess Idle(const std::string& step, const policy::SandboxProfile& profile = TestWorker()) {
    ConfinedProcess::Options options;
    options.step = step;
    return ConfinedProcess::Start(profile, options).value();
  }

  static ExpectedProcess Planned(Stage stage, const policy::SandboxProfile& profile = TestWorker()) {
    return Expect(profile, stage, kPlannedFds).value();
  }
};

TEST_F(ProcessCheckTest, AcceptsAWorkerInItsLoadSandbox) {
  const ConfinedProcess worker = Idle("load");
  EXPECT_THAT(CheckProcess(worker.pid(), Planned(Stage::kLoad)), IsOk());
}

TEST_F(ProcessCheckTest, AcceptsAWorkerInItsRunSandbox) {
  const ConfinedProcess worker = Idle("run");
  EXPECT_THAT(CheckProcess(worker.pid(), Planned(Stage::kRun)), IsOk());
}

TEST_F(ProcessCheckTest, AcceptsTheCore) {
  const ConfinedProcess core = Idle("run", TestCore());
  ExpectedProcess expected = Planned(Stage::kRun, TestCore());
  expected.compares_fds = true;
  EXPECT_THAT(CheckProcess(core.pid(), expected), IsOk());
}

TEST_F(ProcessCheckTest, RefusesAWorkerWhoseRunFilterIsMissing) {
  const ConfinedProcess worker = Idle("load");
  EXPECT_THAT(CheckProcess(worker.pid(), Planned(Stage::kRun)),
              FailsSaying("worker test: Seccomp_filters is 1, planned 2"));
}

TEST_F(ProcessCheckTest, RefusesAnotherUid) {
  const ConfinedProcess worker = Idle("load");
  ExpectedProcess expected = Planned(Stage::kLoad);
  ++expected.uid;
  EXPECT_THAT(CheckProcess(worker.pid(), expected), FailsSaying("worker test: Uid is"));
}

TEST_F(ProcessCheckTest, RefusesACapabilityThatWasNotPlanned) {
  policy::SandboxProfile profile = TestWorker();
  profile.capabilities = 1ull << 21;
  const ConfinedProcess worker = Idle("load", profile);
  EXPECT_THAT(CheckProcess(worker.pid(), Planned(Stage::kLoad)),
              FailsSaying("worker test: CapPrm is 0000000000200000, planned 0000000000000000"));
  EXPECT_THAT(CheckProcess(worker.pid(), Planned(Stage::kLoad, profile)), IsOk());
}

TEST_F(ProcessCheckTest, RefusesADescriptorThatWasNotPlanned) {
  const UniqueFd extra(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ConfinedProcess::Options options;
  options.step = "load";
  options.extra_fds = {{extra.get(), kFirstExtraFd}};
  const auto worker = ConfinedProcess::Start(TestWorker(), options);
  REEVE_ASSERT_OK(worker);
  EXPECT_THAT(CheckProcess(worker->pid(), Planned(Stage::kLoad)),
              FailsSaying("the list of descriptors is 0 1 2 3 6 64, planned 0 1 2 3 6"));
}

TEST_F(ProcessCheckTest, RefusesTheMachinesNetworkWhereAPrivateOneWasPlanned) {
  policy::SandboxProfile profile = TestWorker();
  profile.has_host_net = true;
  const ConfinedProcess worker = Idle("load", profile);
  EXPECT_THAT(CheckProcess(worker.pid(), Planned(Stage::kLoad)), FailsSaying("namespace net is the machine's"));
}

TEST_F(ProcessCheckTest, RefusesAPrivateNetworkWhereTheMachinesWasPlanned) {
  policy::SandboxProfile profile = TestWorker();
  profile.has_host_net = true;
  const ConfinedProcess worker = Idle("load");
  EXPECT_THAT(CheckProcess(worker.pid(), Planned(Stage::kLoad, profile)), FailsSaying("namespace net is its own"));
}

TEST_F(ProcessCheckTest, RefusesAProcessThatIsNotConfinedAtAll) {
  EXPECT_THAT(CheckProcess(::getpid(), Planned(Stage::kLoad)), FailsSaying("Uid is"));
}

TEST_F(ProcessCheckTest, FailsForAProcessThatIsNotThere) {
  EXPECT_THAT(CheckProcess(0x3fffff, Planned(Stage::kLoad)), FailsWith(Code::kNotFound));
}

}  // namespace
}  // namespace reeve::sandbox
