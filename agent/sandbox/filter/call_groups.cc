#include "agent/sandbox/filter/call_groups.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <ctime>

#include "agent/sandbox/sandbox.h"

// One row a rule: a call by name (its number comes from the kernel's own header) with what must hold.
#define CALL_ALLOW(name, ...)                              \
  CallRule {                                               \
    #name, SYS_##name, {__VA_ARGS__}, {Verdict::kAllow, 0} \
  }
#define CALL_REFUSE(name, error, ...)   \
  CallRule {                            \
    #name, SYS_##name, {__VA_ARGS__}, { \
      Verdict::kRefuse, error           \
    }                                   \
  }

namespace reeve::sandbox {
namespace {

constexpr ArgumentTest Is(uint8_t index, uint32_t value) {
  return {index, 0xffffffff, value};
}
// No bit of the argument is set but these.
constexpr ArgumentTest Within(uint8_t index, uint32_t bits) {
  return {index, ~bits, 0};
}
constexpr ArgumentTest Without(uint8_t index, uint32_t bits) {
  return {index, bits, 0};
}
constexpr ArgumentTest With(uint8_t index, uint32_t bits) {
  return {index, bits, bits};
}

// glibc's pthread_create, exactly; anything less would be another process.
constexpr uint32_t kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD |
                                  CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
constexpr uint32_t kFutexModifiers = FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME;
constexpr uint32_t kPlainMapFlags =
    MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_POPULATE | MAP_DENYWRITE;
constexpr uint32_t kReadFlags = O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME;
// Not O_TRUNC: below Landlock level 3 nothing else would refuse to empty a file by name (bypass B5).
constexpr uint32_t kWriteFlags = kReadFlags | O_ACCMODE | O_CREAT | O_EXCL | O_APPEND;
constexpr uint32_t kSetVirtualMemoryName = 0x53564d41;  // PR_SET_VMA

constexpr ArgumentTest FutexIs(uint32_t operation) {
  return {1, ~kFutexModifiers, operation};
}

// clang-format off: tables
std::vector<CallRule> InputAndOutput() {
  return {CALL_ALLOW(read),        CALL_ALLOW(write),         CALL_ALLOW(readv),       CALL_ALLOW(writev),
          CALL_ALLOW(pread64),     CALL_ALLOW(pwrite64),      CALL_ALLOW(lseek),       CALL_ALLOW(close),
          CALL_ALLOW(fstat),       CALL_ALLOW(recvmsg),       CALL_ALLOW(sendmsg),     CALL_ALLOW(recvfrom),
          CALL_ALLOW(sendto),      CALL_ALLOW(ppoll),         CALL_ALLOW(poll),        CALL_ALLOW(epoll_wait),
          CALL_ALLOW(epoll_pwait), CALL_ALLOW(epoll_ctl),     CALL_ALLOW(epoll_create1), CALL_ALLOW(eventfd2),
          CALL_ALLOW(timerfd_settime),
          CALL_ALLOW(timerfd_create, Is(0, CLOCK_MONOTONIC)), CALL_ALLOW(timerfd_create, Is(0, CLOCK_BOOTTIME)),
          CALL_ALLOW(fcntl, Is(1, F_GETFD)),     CALL_ALLOW(fcntl, Is(1, F_SETFD)),
          CALL_ALLOW(fcntl, Is(1, F_GETFL)),     CALL_ALLOW(fcntl, Is(1, F_GET_SEALS)),
          CALL_ALLOW(fcntl, Is(1, F_DUPFD_CLOEXEC))};
}

std::vector<CallRule> MemoryAndThreads() {
  return {CALL_ALLOW(futex, FutexIs(FUTEX_WAIT)),        CALL_ALLOW(futex, FutexIs(FUTEX_WAKE)),
          CALL_ALLOW(futex, FutexIs(FUTEX_REQUEUE)),     CALL_ALLOW(futex, FutexIs(FUTEX_CMP_REQUEUE)),
          CALL_ALLOW(futex, FutexIs(FUTEX_WAIT_BITSET)), CALL_ALLOW(futex, FutexIs(FUTEX_WAKE_BITSET)),
          CALL_ALLOW(set_robust_list), CALL_ALLOW(rseq), CALL_ALLOW(sched_yield),
          CALL_ALLOW(munmap), CALL_ALLOW(brk),
          CALL_ALLOW(mremap, Within(3, MREMAP_MAYMOVE | MREMAP_FIXED)),
          CALL_ALLOW(mprotect, Within(2, PROT_READ | PROT_WRITE)),
          CALL_ALLOW(madvise, Is(2, MADV_WILLNEED)), CALL_ALLOW(madvise, Is(2, MADV_DONTNEED)),
          CALL_ALLOW(madvise, Is(2, MADV_FREE)),     CALL_ALLOW(madvise, Is(2, MADV_HUGEPAGE)),
          CALL_ALLOW(madvise, Is(2, MADV_NOHUGEPAGE)), CALL_ALLOW(madvise, Is(2, MADV_DONTDUMP))};
}

std::vector<CallRule> ProcessAndTime() {
  return {CALL_ALLOW(clock_gettime), CALL_ALLOW(clock_nanosleep), CALL_ALLOW(gettimeofday),
          CALL_ALLOW(getrandom, Within(2, GRND_NONBLOCK | GRND_INSECURE)), CALL_ALLOW(getpid), CALL_ALLOW(gettid),
          CALL_ALLOW(rt_sigprocmask), CALL_ALLOW(rt_sigaction), CALL_ALLOW(rt_sigreturn), CALL_ALLOW(sigaltstack),
          CALL_ALLOW(restart_syscall), CALL_ALLOW(tgkill, Is(0, kOwnProcessMark)),
          CALL_ALLOW(prctl, Is(0, PR_SET_NAME)), CALL_ALLOW(prctl, Is(0, kSetVirtualMemoryName)),
          CALL_ALLOW(exit), CALL_ALLOW(exit_group)};
}

// clang-format on

// openat for writing, where only reading is allowed. Disjoint from kReadFlags.
std::vector<CallRule> RefuseWriting() {
  return {CALL_REFUSE(openat, EACCES, {2, O_ACCMODE, O_WRONLY}), CALL_REFUSE(openat, EACCES, {2, O_ACCMODE, O_RDWR})};
}

std::vector<CallRule> Join(std::vector<CallRule> first, const std::vector<CallRule>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

std::vector<CallRule> StandardCalls() {
  return Join(Join(InputAndOutput(), MemoryAndThreads()), ProcessAndTime());
}

std::vector<CallRule> SoftRefusals() {
  return {CALL_REFUSE(open, EACCES), CALL_REFUSE(openat2, EACCES), CALL_REFUSE(creat, EACCES),
          CALL_REFUSE(stat, EACCES), CALL_REFUSE(lstat, EACCES), CALL_REFUSE(statx, EACCES),
          CALL_REFUSE(access, EACCES), CALL_REFUSE(faccessat, EACCES), CALL_REFUSE(faccessat2, EACCES),
          CALL_REFUSE(readlink, EACCES), CALL_REFUSE(readlinkat, EACCES), CALL_REFUSE(getcwd, EACCES),
          CALL_REFUSE(connect, EAFNOSUPPORT), CALL_REFUSE(clone3, ENOSYS),
          // glibc asks these for arenas, stacks and processor counts, and has a default for each.
          CALL_REFUSE(prlimit64, EPERM), CALL_REFUSE(getrlimit, EPERM), CALL_REFUSE(sysinfo, EPERM),
          CALL_REFUSE(uname, EPERM), CALL_REFUSE(sched_getaffinity, EPERM),
          // stdio asks whether its output is a terminal.
          CALL_REFUSE(ioctl, ENOTTY, Is(1, TCGETS))};
}

std::vector<CallRule> MapPrivate() {
  return {CALL_ALLOW(mmap, Within(2, PROT_READ | PROT_WRITE), Within(3, kPlainMapFlags | MAP_PRIVATE),
                     With(3, MAP_PRIVATE))};
}

std::vector<CallRule> MapShared() {
  return {
      CALL_ALLOW(mmap, Within(2, PROT_READ | PROT_WRITE), Within(3, kPlainMapFlags | MAP_SHARED), With(3, MAP_SHARED))};
}

std::vector<CallRule> MapCode() {
  return {CALL_ALLOW(mmap, Is(2, PROT_READ | PROT_EXEC), Within(3, MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE),
                     With(3, MAP_PRIVATE))};
}

std::vector<CallRule> OpenNothing() {
  return {CALL_REFUSE(openat, EACCES)};
}

std::vector<CallRule> OpenReadOnly() {
  return Join({CALL_ALLOW(openat, Within(2, kReadFlags))}, RefuseWriting());
}

std::vector<CallRule> OpenAnyway() {
  return {CALL_ALLOW(openat, Within(2, kWriteFlags))};
}

std::vector<CallRule> OpenDirectories() {
  return Join({CALL_ALLOW(openat, Within(2, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK))}, RefuseWriting());
}

// glibc 2.36 says fstat(fd) as newfstatat(fd, "", AT_EMPTY_PATH).
std::vector<CallRule> LookAtDescriptors() {
  return {CALL_ALLOW(newfstatat, Is(3, AT_EMPTY_PATH)), CALL_REFUSE(newfstatat, EACCES, Without(3, AT_EMPTY_PATH))};
}

std::vector<CallRule> LookAtPaths() {
  return {CALL_ALLOW(newfstatat)};
}

std::vector<CallRule> ReadDirectories() {
  return {CALL_ALLOW(statfs), CALL_ALLOW(fstatfs), CALL_ALLOW(getdents64)};
}

// The constructor of libselinux, which libmount needs, asks where its file system is, and takes no for an answer.
std::vector<CallRule> RefuseFileSystemFacts() {
  return {CALL_REFUSE(statfs, EACCES)};
}

// O_PATH names a place and opens nothing: Landlock judges what is opened beneath it.
std::vector<CallRule> FollowLinks() {
  return {CALL_ALLOW(openat, Within(2, kReadFlags | O_PATH), With(2, O_PATH)),
          CALL_ALLOW(readlink),
          CALL_ALLOW(readlinkat),
          CALL_ALLOW(access),
          CALL_ALLOW(faccessat),
          CALL_ALLOW(faccessat2),
          CALL_ALLOW(statx)};
}

std::vector<CallRule> NameOfTheMachine() {
  return {CALL_ALLOW(uname)};
}

std::vector<CallRule> KeepFileStatus() {
  return {CALL_REFUSE(fcntl, EPERM, Is(1, F_SETFL))};
}

std::vector<CallRule> ChangeFileStatus() {
  return {CALL_ALLOW(fcntl, Is(1, F_SETFL))};
}

std::vector<CallRule> MakeThreads() {
  return {CALL_ALLOW(clone, Is(0, kThreadFlags))};
}

std::vector<CallRule> NoSockets() {
  return {CALL_REFUSE(socket, EAFNOSUPPORT)};
}

// Beside route sockets the usual probes of a C library are refused softly; every other family ends the
// process.
std::vector<CallRule> NetlinkRoute() {
  return {CALL_ALLOW(socket, Is(0, AF_NETLINK), Is(2, NETLINK_ROUTE)),
          CALL_ALLOW(bind),
          CALL_ALLOW(getsockname),
          CALL_REFUSE(socket, EAFNOSUPPORT, Is(0, AF_UNIX)),
          CALL_REFUSE(socket, EAFNOSUPPORT, Is(0, AF_INET)),
          CALL_REFUSE(socket, EAFNOSUPPORT, Is(0, AF_INET6))};
}

std::vector<CallRule> AcceptConnections() {
  return {CALL_ALLOW(accept4), CALL_ALLOW(getsockopt, Is(1, SOL_SOCKET), Is(2, SO_PEERCRED))};
}

std::vector<CallRule> ServeConnections() {
  return Join(AcceptConnections(), {CALL_ALLOW(getsockopt, Is(1, SOL_SOCKET), Is(2, SO_ERROR)), CALL_ALLOW(getpeername),
                                    CALL_ALLOW(shutdown), CALL_ALLOW(signalfd4)});
}

std::vector<CallRule> FlushFiles() {
  return {CALL_ALLOW(fsync), CALL_ALLOW(fdatasync)};
}

std::vector<CallRule> FreezeFileSystems() {
  return {CALL_ALLOW(ioctl, Is(1, FIFREEZE)), CALL_ALLOW(ioctl, Is(1, FITHAW)), CALL_ALLOW(ioctl, Is(1, FITRIM))};
}

std::vector<CallRule> ClockSettime() {
  return {CALL_ALLOW(clock_settime, Is(0, CLOCK_REALTIME))};
}

std::vector<CallRule> AddFilter() {
  return {CALL_ALLOW(seccomp, Is(0, SECCOMP_SET_MODE_FILTER), Is(1, SECCOMP_FILTER_FLAG_TSYNC))};
}

}  // namespace reeve::sandbox
