#include "agent/sandbox/filter/filter_compile.h"

#include <linux/filter.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

#include "agent/sandbox/filter/filter_evaluate.h"
#include "agent/sandbox/sandbox.h"
#include "base/testing.h"

namespace reeve::sandbox {
namespace {

using policy::Promise;
using policy::Role;

policy::SandboxProfile ProfileOf(Role role, std::vector<Promise> promises = {}) {
  policy::SandboxProfile profile;
  profile.role = role;
  profile.promises = std::move(promises);
  return profile;
}

constexpr Promise kPromises[] = {Promise::kThreads, Promise::kReadPath, Promise::kNetlinkRoute,
                                 Promise::kAccept,  Promise::kFreeze,   Promise::kSetClock};

TEST(FilterCompileTest, EveryRoleAndEverySinglePromiseCompilesAndIsProven) {
  for (const Role role : {Role::kCore, Role::kLog, Role::kWorker}) {
    policy::SandboxProfile profile = ProfileOf(role);
    EXPECT_THAT(CompileFilters(profile), IsOk());
    for (const Promise promise : kPromises) {
      profile.promises = {promise};
      EXPECT_THAT(CompileFilters(profile), IsOk()) << static_cast<int>(promise);
    }
  }
}

TEST(FilterCompileTest, AllPromisesTogetherCompileAndAreProven) {
  policy::SandboxProfile profile;
  profile.promises.assign(std::begin(kPromises), std::end(kPromises));
  profile.paths = {{"/tmp", policy::PathAccess::kReadWrite}};
  EXPECT_THAT(CompileFilters(profile), IsOk());
}

TEST(FilterCompileTest, OnlyAWorkerHasALoadFilter) {
  policy::SandboxProfile core = ProfileOf(Role::kCore);
  policy::SandboxProfile worker;
  REEVE_ASSERT_OK(CompileFilters(core));
  REEVE_ASSERT_OK(CompileFilters(worker));
  EXPECT_TRUE(core.load_filter.empty());
  EXPECT_FALSE(worker.load_filter.empty());
}

TEST(FilterCompileTest, RefusesANameThatTheLibraryDoesNotKnow) {
  const FilterTable table{{Verdict::kKill, 0}, {{"no_such_call", 999, {}, {Verdict::kAllow, 0}}}};
  EXPECT_THAT(CompileFilter(table), FailsSaying("does not know no_such_call"));
}

TEST(FilterCompileTest, RefusesANameOfAnotherArchitecture) {
  // The library resolves it to a negative pseudo number.
  const FilterTable table{{Verdict::kKill, 0}, {{"vm86", 166, {}, {Verdict::kAllow, 0}}}};
  EXPECT_THAT(CompileFilter(table), FailsSaying("does not know vm86"));
}

TEST(FilterCompileTest, RefusesANameWithAnotherCallsNumber) {
  const FilterTable table{{Verdict::kKill, 0}, {{"read", SYS_write, {}, {Verdict::kAllow, 0}}}};
  EXPECT_THAT(CompileFilter(table), FailsSaying("two numbers"));
}

TEST(FilterCompileTest, TheOwnProcessMarkIsComparedExactlyWhereItIsReplaced) {
  policy::SandboxProfile worker;
  REEVE_ASSERT_OK(CompileFilters(worker));
  size_t marks = 0;
  for (size_t at = 0; at < worker.run_filter.size(); at += sizeof(sock_filter)) {
    sock_filter instruction;
    std::memcpy(&instruction, &worker.run_filter[at], sizeof instruction);
    if (instruction.k != kOwnProcessMark) continue;
    EXPECT_EQ(instruction.code, BPF_JMP | BPF_JEQ | BPF_K);
    ++marks;
  }
  EXPECT_EQ(marks, 1u);
}

}  // namespace
}  // namespace reeve::sandbox
