#include "agent/sandbox/filter/filter_evaluate.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cstring>

#include "agent/sandbox/filter/filter_compile.h"
#include "base/testing.h"

namespace reeve::sandbox {
namespace {

std::vector<uint8_t> AsProgram(const std::vector<sock_filter>& instructions) {
  std::vector<uint8_t> bytes(instructions.size() * sizeof(sock_filter));
  std::memcpy(bytes.data(), instructions.data(), bytes.size());
  return bytes;
}

std::vector<sock_filter> AsInstructions(const std::vector<uint8_t>& program) {
  std::vector<sock_filter> instructions(program.size() / sizeof(sock_filter));
  std::memcpy(instructions.data(), program.data(), program.size());
  return instructions;
}

seccomp_data Call(int number, uint32_t architecture = AUDIT_ARCH_X86_64) {
  seccomp_data call{};
  call.nr = number;
  call.arch = architecture;
  return call;
}

struct Compiled {
  FilterTable table;
  std::vector<uint8_t> program;
};

Compiled CompileWorker() {
  policy::SandboxProfile profile;
  profile.promises = {policy::Promise::kThreads};
  Compiled compiled{TableFor(profile, FilterStage::kRun), {}};
  compiled.program = CompileFilter(compiled.table).value();
  return compiled;
}

TEST(FilterEvaluateTest, AProofComparesMoreThanAHundredThousandCalls) {
  const Compiled worker = CompileWorker();
  const Result<Proof> proof = ProveFilter(worker.program, worker.table, kVectorsPerTestedCall);
  REEVE_ASSERT_OK(proof);
  EXPECT_GT(proof->calls_compared, 100'000u);
}

TEST(FilterEvaluateTest, AHundredThousandVectorsForEachTestedCallFindNoDifference) {
  const Compiled worker = CompileWorker();
  EXPECT_THAT(ProveFilter(worker.program, worker.table, 100'000), IsOk());
}

TEST(FilterEvaluateTest, FindsEveryVerdictThatIsChanged) {
  const Compiled worker = CompileWorker();
  const std::vector<sock_filter> good = AsInstructions(worker.program);
  int mutants = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    if (good[at].code != (BPF_RET | BPF_K)) continue;
    std::vector<sock_filter> mutant = good;
    mutant[at].k = good[at].k == SECCOMP_RET_ALLOW ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW;
    EXPECT_FALSE(ProveFilter(AsProgram(mutant), worker.table, kVectorsPerTestedCall)) << "verdict at " << at;
    ++mutants;
  }
  EXPECT_GE(mutants, 3);
}

TEST(FilterEvaluateTest, FindsEveryComparedValueThatIsOff) {
  const Compiled worker = CompileWorker();
  const std::vector<sock_filter> good = AsInstructions(worker.program);
  for (size_t at = 0; at < good.size(); ++at) {
    if (good[at].code != (BPF_JMP | BPF_JEQ | BPF_K)) continue;
    std::vector<sock_filter> mutant = good;
    mutant[at].k ^= 1;
    // x32's own number -1 is killed on both ways of that jump.
    if (good[at].k == 0xffffffff) continue;
    EXPECT_FALSE(ProveFilter(AsProgram(mutant), worker.table, kVectorsPerTestedCall)) << "comparison at " << at;
  }
}

TEST(FilterEvaluateTest, FindsAMaskThatIsTooNarrow) {
  const Compiled worker = CompileWorker();
  const std::vector<sock_filter> good = AsInstructions(worker.program);
  for (size_t at = 0; at < good.size(); ++at) {
    if (good[at].code != (BPF_ALU | BPF_AND | BPF_K)) continue;
    if (good[at].k == 0) continue;  // the library's look at a high half: masked by nothing, equal to nothing
    std::vector<sock_filter> mutant = good;
    mutant[at].k &= mutant[at].k - 1;
    EXPECT_FALSE(ProveFilter(AsProgram(mutant), worker.table, kVectorsPerTestedCall)) << "mask at " << at;
  }
}

TEST(FilterEvaluateTest, FindsAMissingArchitectureCheck) {
  const FilterTable table{{Verdict::kKill, 0}, {{"read", SYS_read, {}, {Verdict::kAllow, 0}}}};
  const std::vector<uint8_t> program =
      AsProgram({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 1),
                 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)});
  EXPECT_FALSE(ProveFilter(program, table, kVectorsPerTestedCall));
}

TEST(FilterEvaluateTest, RunsTheProgramAsTheKernelWould) {
  const Compiled worker = CompileWorker();
  EXPECT_EQ(RunProgram(worker.program, Call(SYS_read)).value(), SECCOMP_RET_ALLOW);
  EXPECT_EQ(RunProgram(worker.program, Call(SYS_ptrace)).value(), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(RunProgram(worker.program, Call(SYS_read, AUDIT_ARCH_I386)).value(), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(RunProgram(worker.program, Call(SYS_read | 0x40000000)).value(), SECCOMP_RET_KILL_PROCESS);
}

TEST(FilterEvaluateTest, RefusesAProgramWithoutVerdict) {
  EXPECT_THAT(RunProgram(AsProgram({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)}), Call(0)),
              FailsSaying("without a verdict"));
}

TEST(FilterEvaluateTest, RefusesAJumpOutOfTheProgram) {
  EXPECT_FALSE(RunProgram(AsProgram({BPF_JUMP(BPF_JMP | BPF_JA, 7, 0, 0)}), Call(0)));
}

TEST(FilterEvaluateTest, RefusesAReadOutsideTheCall) {
  EXPECT_FALSE(RunProgram(AsProgram({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), BPF_STMT(BPF_RET | BPF_K, 0)}), Call(0)));
}

TEST(FilterEvaluateTest, RefusesBytesThatAreNoProgram) {
  const std::vector<uint8_t> odd(7);
  EXPECT_FALSE(RunProgram(odd, Call(0)));
  EXPECT_FALSE(RunProgram({}, Call(0)));
}

}  // namespace
}  // namespace reeve::sandbox
