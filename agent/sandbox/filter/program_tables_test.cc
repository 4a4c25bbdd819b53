#include "agent/sandbox/filter/program_tables.h"

#include <asm/ioctls.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>

#include "agent/sandbox/filter/filter_compile.h"
#include "base/testing.h"

namespace reeve::sandbox {
namespace {

using policy::Confinement;
using Arguments = std::array<uint64_t, 6>;

constexpr Action kAllowed{Verdict::kAllow, 0};
constexpr Action Refused(uint16_t error) {
  return {Verdict::kRefuse, error};
}
constexpr Confinement kFiltered[] = {Confinement::kAdmin, Confinement::kService, Confinement::kReadonly,
                                     Confinement::kSandboxed, Confinement::kHook};

Action Ask(Confinement confinement, int number, const Arguments& arguments = {}) {
  return Judge(ProgramTable(confinement), number, arguments);
}

TEST(ProgramTablesTest, EachCompilesAndIsProven) {
  for (const Confinement confinement : kFiltered)
    EXPECT_THAT(CompileProgramFilter(confinement), IsOk()) << static_cast<int>(confinement);
}

TEST(ProgramTablesTest, AnUnconfinedProgramHasNoFilter) {
  EXPECT_TRUE(CompileProgramFilter(Confinement::kUnconfined).value().empty());
}

TEST(ProgramTablesTest, NoneAllowsTheMachinesOwnCalls) {
  for (const Confinement confinement : kFiltered) {
    for (const int number : {SYS_init_module, SYS_finit_module, SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_ptrace,
                             SYS_process_vm_writev, SYS_bpf, SYS_io_uring_setup, SYS_keyctl, SYS_iopl, SYS_pidfd_getfd})
      EXPECT_EQ(Ask(confinement, number), Refused(EPERM)) << number;
    EXPECT_NE(Ask(confinement, SYS_ioctl, {0, TIOCSTI}), kAllowed);
  }
}

TEST(ProgramTablesTest, OnlyAdministratorsMountAndMakeNamespaces) {
  for (const Confinement confinement : {Confinement::kAdmin, Confinement::kHook}) {
    EXPECT_EQ(Ask(confinement, SYS_mount), kAllowed);
    EXPECT_EQ(Ask(confinement, SYS_unshare), kAllowed);
    EXPECT_EQ(Ask(confinement, SYS_clone, {CLONE_NEWNET}), kAllowed);
  }
  for (const Confinement confinement : {Confinement::kService, Confinement::kReadonly, Confinement::kSandboxed}) {
    EXPECT_EQ(Ask(confinement, SYS_mount), Refused(EPERM));
    EXPECT_EQ(Ask(confinement, SYS_unshare), Refused(EPERM));
    EXPECT_EQ(Ask(confinement, SYS_clone, {CLONE_NEWUSER | 17}), Refused(EPERM));
    EXPECT_EQ(Ask(confinement, SYS_clone3), Refused(ENOSYS));
    EXPECT_EQ(Ask(confinement, SYS_clone, {17}), kAllowed);
  }
}

TEST(ProgramTablesTest, AHookAndASandboxHaveUnixSocketsOnlyAReaderNone) {
  for (const int family : {AF_UNSPEC, AF_INET, AF_NETLINK, AF_INET6, AF_ALG, AF_VSOCK, 46, -1}) {
    const auto word = static_cast<uint64_t>(static_cast<uint32_t>(family));
    for (const Confinement confinement : {Confinement::kHook, Confinement::kSandboxed, Confinement::kReadonly})
      EXPECT_EQ(Ask(confinement, SYS_socket, {word}), Refused(EAFNOSUPPORT)) << family;
    EXPECT_EQ(Ask(Confinement::kAdmin, SYS_socket, {word}), kAllowed);
    EXPECT_EQ(Ask(Confinement::kService, SYS_socket, {word}), kAllowed);
  }
  EXPECT_EQ(Ask(Confinement::kHook, SYS_socket, {AF_UNIX}), kAllowed);
  EXPECT_EQ(Ask(Confinement::kSandboxed, SYS_socket, {AF_UNIX}), kAllowed);
  EXPECT_EQ(Ask(Confinement::kReadonly, SYS_socket, {AF_UNIX}), Refused(EAFNOSUPPORT));
}

TEST(ProgramTablesTest, ASandboxSaysOfAnUnknownCallThatThereIsNone) {
  EXPECT_EQ(Ask(Confinement::kSandboxed, 599), Refused(ENOSYS));
  EXPECT_EQ(Ask(Confinement::kSandboxed, SYS_setuid), Refused(EPERM));
  EXPECT_EQ(Ask(Confinement::kAdmin, 599), kAllowed);
}

TEST(ProgramTablesTest, RefusesATableOfProgramsThatAllowsAMachineCall) {
  const FilterTable table{{Verdict::kRefuse, ENOSYS}, {{"bpf", SYS_bpf, {}, kAllowed}}, /*is_for_programs=*/true};
  EXPECT_THAT(CheckTable(table), FailsSaying("bpf is never granted"));
}

}  // namespace
}  // namespace reeve::sandbox
