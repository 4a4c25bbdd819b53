#include "agent/sandbox/filter/filter_table.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <set>
#include <string>

#include "agent/sandbox/filter/never_list.h"
#include "base/testing.h"

namespace reeve::sandbox {
namespace {

using policy::Promise;
using policy::Role;
using Arguments = std::array<uint64_t, 6>;

constexpr Action kAllowed{Verdict::kAllow, 0};
constexpr Action kKilled{Verdict::kKill, 0};
constexpr Action Refused(uint16_t error) {
  return {Verdict::kRefuse, error};
}

Action Ask(const FilterTable& table, int number, const Arguments& arguments = {}) {
  return Judge(table, number, arguments);
}

policy::SandboxProfile ProfileOf(Role role, std::vector<Promise> promises = {}) {
  policy::SandboxProfile profile;
  profile.role = role;
  profile.promises = std::move(promises);
  return profile;
}

FilterTable Worker(std::vector<Promise> promises = {}, FilterStage stage = FilterStage::kRun) {
  return TableFor(ProfileOf(Role::kWorker, std::move(promises)), stage);
}

// Every profile that promises and roles can make.
template <typename Do>
void ForEveryTable(Do&& act) {
  for (const Role role : {Role::kCore, Role::kLog, Role::kWorker}) {
    for (unsigned bits = 0; bits < 128; ++bits) {
      policy::SandboxProfile profile = ProfileOf(role);
      for (unsigned promise = 0; promise < 7; ++promise) {
        if ((bits >> promise & 1) != 0) profile.promises.push_back(static_cast<Promise>(promise));
      }
      for (const FilterStage stage : {FilterStage::kLoad, FilterStage::kRun}) act(TableFor(profile, stage), profile);
    }
  }
}

TEST(FilterTableTest, AWorkersBaseAllowsAtMostFiftyCallsAndTestsTenOfThem) {
  std::map<std::string, bool> is_tested;
  for (const CallRule& rule : Worker({Promise::kThreads}).rules) {
    if (rule.action == kAllowed) is_tested[rule.name] = is_tested[rule.name] || !rule.tests.empty();
  }
  EXPECT_LE(is_tested.size(), 50u);
  const auto tested = std::count_if(is_tested.begin(), is_tested.end(), [](const auto& call) { return call.second; });
  EXPECT_GE(tested, 10);
}

TEST(FilterTableTest, EveryCombinationOfPromisesIsAProperTable) {
  ForEveryTable([](const FilterTable& table, const auto&) { ASSERT_THAT(CheckTable(table), IsOk()); });
}

TEST(FilterTableTest, NoCombinationOfPromisesGrantsANeverListedCall) {
  const auto never_list = NeverList();
  const std::set<std::string> never(never_list.begin(), never_list.end());
  ForEveryTable([&](const FilterTable& table, const policy::SandboxProfile& profile) {
    const auto& promises = profile.promises;
    const bool sets_clock = std::find(promises.begin(), promises.end(), Promise::kSetClock) != promises.end();
    for (const CallRule& rule : table.rules) {
      if (rule.action.verdict == Verdict::kKill || never.count(rule.name) == 0) continue;
      EXPECT_TRUE(sets_clock && std::string(rule.name) == "clock_settime") << rule.name;
    }
  });
}

TEST(FilterTableTest, TheLoadTableAllowsWhateverTheRunTableAllows) {
  ForEveryTable([](const FilterTable&, const policy::SandboxProfile& profile) {
    const FilterTable load = TableFor(profile, FilterStage::kLoad);
    for (const CallRule& rule : TableFor(profile, FilterStage::kRun).rules) {
      if (rule.action != kAllowed) continue;
      Arguments arguments{};
      for (const ArgumentTest& test : rule.tests) arguments[test.index] |= test.value;
      EXPECT_EQ(Ask(load, rule.number, arguments), kAllowed) << rule.name;
    }
  });
}

TEST(FilterTableTest, RefusesANeverListedCall) {
  const FilterTable table{kKilled, {{"ptrace", SYS_ptrace, {}, kAllowed}}};
  EXPECT_THAT(CheckTable(table), FailsSaying("ptrace is never granted"));
}

TEST(FilterTableTest, RefusesTheClockExceptionForAnyOtherClock) {
  const FilterTable table{kKilled, {{"clock_settime", SYS_clock_settime, {}, kAllowed}}};
  EXPECT_THAT(CheckTable(table), FailsWith(Code::kDenied));
}

TEST(FilterTableTest, RefusesOverlappingRulesWithDifferentActions) {
  const FilterTable table{kKilled, {{"read", SYS_read, {}, kAllowed}, {"read", SYS_read, {{0, 1, 1}}, Refused(EPERM)}}};
  EXPECT_THAT(CheckTable(table), FailsSaying("overlap"));
}

TEST(FilterTableTest, RefusesATestThatCanNeverHold) {
  const FilterTable table{kKilled, {{"read", SYS_read, {{0, 1, 2}}, kAllowed}}};
  EXPECT_THAT(CheckTable(table), FailsSaying("never hold"));
}

TEST(FilterTableTest, RefusesMoreRulesThanTheLibraryIsGoodFor) {
  const FilterTable table{kKilled, std::vector<CallRule>(kMaxRules + 1, {"read", SYS_read, {}, kAllowed})};
  EXPECT_THAT(CheckTable(table), FailsWith(Code::kTooLarge));
}

TEST(FilterTableTest, ARunningWorkerOpensNothingAndMapsNoCode) {
  const FilterTable run = Worker();
  EXPECT_EQ(Ask(run, SYS_openat), Refused(EACCES));
  EXPECT_EQ(Ask(run, SYS_newfstatat, {0, 0, 0, 0}), Refused(EACCES));
  EXPECT_EQ(Ask(run, SYS_newfstatat, {0, 0, 0, AT_EMPTY_PATH}), kAllowed);
  EXPECT_EQ(Ask(run, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE}), kKilled);
  EXPECT_EQ(Ask(run, SYS_mmap, {0, 4096, PROT_READ, MAP_SHARED}), kKilled);
  EXPECT_EQ(Ask(run, SYS_mprotect, {0, 4096, PROT_EXEC}), kKilled);
  EXPECT_EQ(Ask(run, SYS_seccomp, {1, 1}), kKilled);
}

TEST(FilterTableTest, ALoadingWorkerMapsAFilesCodeButNoneOfItsOwn) {
  const FilterTable load = Worker({}, FilterStage::kLoad);
  EXPECT_EQ(Ask(load, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_DENYWRITE}), kAllowed);
  EXPECT_EQ(Ask(load, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS}), kKilled);
  EXPECT_EQ(Ask(load, SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE}), kKilled);
  EXPECT_EQ(Ask(load, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED}), kKilled);
}

// libselinux, below libmount, asks in its constructor; the end of the process would be no answer.
TEST(FilterTableTest, ALoadingWorkerIsToldNothingOfFileSystemsUnlessItReadsPaths) {
  EXPECT_EQ(Ask(Worker({}, FilterStage::kLoad), SYS_statfs), Refused(EACCES));
  EXPECT_EQ(Ask(Worker({Promise::kFreeze}, FilterStage::kLoad), SYS_statfs), Refused(EACCES));
  EXPECT_EQ(Ask(Worker({Promise::kReadPath}, FilterStage::kLoad), SYS_statfs), kAllowed);
  EXPECT_EQ(Ask(Worker({Promise::kReadPath}), SYS_statfs), kAllowed);
  EXPECT_EQ(Ask(Worker(), SYS_statfs), kKilled);
}

TEST(FilterTableTest, ALoadingWorkerOpensForReadingOnlyUnlessAPathIsGrantedForWriting) {
  EXPECT_EQ(Ask(Worker({}, FilterStage::kLoad), SYS_openat, {0, 0, O_RDONLY | O_CLOEXEC}), kAllowed);
  EXPECT_EQ(Ask(Worker({}, FilterStage::kLoad), SYS_openat, {0, 0, O_RDWR}), Refused(EACCES));
  EXPECT_EQ(Ask(Worker({}, FilterStage::kLoad), SYS_openat, {0, 0, O_TRUNC}), kKilled);
  policy::SandboxProfile writer;
  writer.paths = {{"/var/lib/x", policy::PathAccess::kReadWrite}};
  const FilterTable load = TableFor(writer, FilterStage::kLoad);
  EXPECT_EQ(Ask(load, SYS_openat, {0, 0, O_RDWR | O_CREAT}), kAllowed);
  EXPECT_EQ(Ask(load, SYS_openat, {0, 0, O_RDWR | O_TRUNC}), kKilled);
}

TEST(FilterTableTest, ThreadsArePromisedAndNothingElseThatCloneMakes) {
  constexpr uint64_t kThread = 0x3d0f00;
  EXPECT_EQ(Ask(Worker(), SYS_clone, {kThread}), kKilled);
  EXPECT_EQ(Ask(Worker({Promise::kThreads}), SYS_clone, {kThread}), kAllowed);
  EXPECT_EQ(Ask(Worker({Promise::kThreads}), SYS_clone, {kThread & ~0x10000ull}), kKilled);
  EXPECT_EQ(Ask(Worker({Promise::kThreads}), SYS_clone, {17}), kKilled);
  EXPECT_EQ(Ask(Worker({Promise::kThreads}), SYS_clone3), Refused(ENOSYS));
}

TEST(FilterTableTest, NetlinkRouteIsTheOnlySocketThatAPromiseMakes) {
  const FilterTable table = Worker({Promise::kNetlinkRoute});
  EXPECT_EQ(Ask(table, SYS_socket, {AF_NETLINK, SOCK_RAW, 0}), kAllowed);
  EXPECT_EQ(Ask(table, SYS_socket, {AF_NETLINK, SOCK_RAW, 9}), kKilled);
  EXPECT_EQ(Ask(table, SYS_socket, {AF_UNIX, SOCK_STREAM, 0}), Refused(EAFNOSUPPORT));
  EXPECT_EQ(Ask(table, SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}), kKilled);
}

TEST(FilterTableTest, ReadingPathsFollowsLinksAndNamesPlaces) {
  const FilterTable table = Worker({Promise::kReadPath});
  EXPECT_EQ(Ask(table, SYS_readlinkat), kAllowed);
  EXPECT_EQ(Ask(table, SYS_faccessat2), kAllowed);
  EXPECT_EQ(Ask(table, SYS_openat, {0, 0, O_PATH | O_NOFOLLOW | O_CLOEXEC}), kAllowed);
  EXPECT_EQ(Ask(table, SYS_openat, {0, 0, O_PATH | O_RDWR}), Refused(EACCES));
  EXPECT_EQ(Ask(Worker(), SYS_readlinkat), Refused(EACCES));
  EXPECT_EQ(Ask(Worker(), SYS_faccessat2), Refused(EACCES));
  EXPECT_EQ(Ask(Worker(), SYS_openat, {0, 0, O_PATH}), Refused(EACCES));
}

// libudev seeds its tables so; what drains the pool of others stays forbidden.
TEST(FilterTableTest, RandomBytesAreTakenWithoutWaitingOnly) {
  EXPECT_EQ(Ask(Worker(), SYS_getrandom, {0, 16, GRND_INSECURE}), kAllowed);
  EXPECT_EQ(Ask(Worker(), SYS_getrandom, {0, 16, GRND_NONBLOCK}), kAllowed);
  EXPECT_EQ(Ask(Worker(), SYS_getrandom, {0, 16, GRND_RANDOM}), kKilled);
}

TEST(FilterTableTest, OnlyWhoSharesTheMachinesNamesAsksForThem) {
  policy::SandboxProfile profile = ProfileOf(Role::kWorker);
  EXPECT_EQ(Ask(TableFor(profile, FilterStage::kRun), SYS_uname), Refused(EPERM));
  profile.has_host_uts = true;
  for (const FilterStage stage : {FilterStage::kLoad, FilterStage::kRun}) {
    EXPECT_EQ(Ask(TableFor(profile, stage), SYS_uname), kAllowed);
    EXPECT_THAT(CheckTable(TableFor(profile, stage)), IsOk());
  }
}

TEST(FilterTableTest, FreezeOpensDirectoriesAndKnowsThreeIoctls) {
  const FilterTable table = Worker({Promise::kFreeze});
  EXPECT_EQ(Ask(table, SYS_openat, {0, 0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK}), kAllowed);
  EXPECT_EQ(Ask(table, SYS_openat, {0, 0, O_WRONLY}), Refused(EACCES));
  EXPECT_EQ(Ask(table, SYS_openat, {0, 0, O_PATH}), kKilled);
  EXPECT_EQ(Ask(table, SYS_ioctl, {3, FIFREEZE}), kAllowed);
  EXPECT_EQ(Ask(table, SYS_ioctl, {3, FITHAW}), kAllowed);
  EXPECT_EQ(Ask(table, SYS_ioctl, {3, FITRIM}), kAllowed);
  EXPECT_EQ(Ask(table, SYS_ioctl, {3, FS_IOC_SETFLAGS}), kKilled);
  EXPECT_EQ(Ask(Worker(), SYS_ioctl, {3, FIFREEZE}), kKilled);
}

TEST(FilterTableTest, OnlyTheCoreChangesADescriptorsStatusFlags) {
  EXPECT_EQ(Ask(Worker(), SYS_fcntl, {0, F_SETFL}), Refused(EPERM));
  EXPECT_EQ(Ask(TableFor(ProfileOf(Role::kLog), FilterStage::kRun), SYS_fcntl, {0, F_SETFL}), Refused(EPERM));
  EXPECT_EQ(Ask(TableFor(ProfileOf(Role::kCore), FilterStage::kRun), SYS_fcntl, {0, F_SETFL}), kAllowed);
}

TEST(FilterTableTest, OnlyTheCoreAcceptsConnectionsAndOnlyTheLogFlushesFiles) {
  const FilterTable core = TableFor(ProfileOf(Role::kCore), FilterStage::kRun);
  const FilterTable log = TableFor(ProfileOf(Role::kLog), FilterStage::kRun);
  EXPECT_EQ(Ask(core, SYS_accept4), kAllowed);
  EXPECT_EQ(Ask(log, SYS_accept4), kKilled);
  EXPECT_EQ(Ask(Worker(), SYS_accept4), kKilled);
  EXPECT_EQ(Ask(Worker({Promise::kAccept}), SYS_accept4), kAllowed);
  EXPECT_EQ(Ask(core, SYS_fsync), kKilled);
  EXPECT_EQ(Ask(log, SYS_fsync), kAllowed);
}

TEST(FilterTableTest, TheHighHalfOfATestedArgumentMeansNothing) {
  EXPECT_EQ(Ask(Worker(), SYS_fcntl, {0, 0xdead00000000ull | F_GETFD}), kAllowed);
}

}  // namespace
}  // namespace reeve::sandbox
