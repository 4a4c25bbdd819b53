#include "tests/sandbox/attacks.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

// One attempt: its name, the call, the call's arguments.
#define TRY_CALL(label, call, ...)                                                                       \
  Attack {                                                                                               \
    label, SYS_##call, [] { return ::syscall(SYS_##call __VA_OPT__(, ) __VA_ARGS__); }, Killed(), {}, {} \
  }
#define TRY_SOFT(label, call, error, ...)                                                                      \
  Attack {                                                                                                     \
    label, SYS_##call, [] { return ::syscall(SYS_##call __VA_OPT__(, ) __VA_ARGS__); }, Refused(error), {}, {} \
  }

namespace reeve::attacks {
namespace {

constexpr int kNoFd = -1;
constexpr long kNobodySignal = 0;  // kill(2) with 0 only looks
constexpr long kPageBytes = 4096;

long CallOldGate() {
  long result = 20;  // getpid of the 32-bit table
  __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  return result;
}

long ReadWrongly(int flags, const char* path) {
  return ::syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

constexpr long kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

// clang-format off: a table
const Attack kAttacks[] = {
    // another program
    TRY_CALL("execve", execve, "/bin/true", nullptr, nullptr),
    TRY_CALL("execve of a setuid program", execve, "/usr/bin/su", nullptr, nullptr),
    TRY_CALL("execveat of a descriptor", execveat, 0, "", nullptr, nullptr, AT_EMPTY_PATH),
    TRY_CALL("memfd to execute", memfd_create, "code", 0),
    // another process
    TRY_CALL("fork", fork),
    TRY_CALL("vfork", vfork),
    TRY_CALL("clone as fork", clone, SIGCHLD, 0, 0, 0, 0),
    TRY_CALL("clone sharing memory but no thread", clone, CLONE_VM | SIGCHLD, 0, 0, 0, 0),
    TRY_CALL("clone into namespaces", clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0),
    TRY_SOFT("clone3", clone3, ENOSYS, nullptr, 0),
    // other processes
    TRY_CALL("ptrace itself", ptrace, 0, 0, 0, 0),
    TRY_CALL("ptrace another", ptrace, 16, 1, 0, 0),
    TRY_CALL("read another's memory", process_vm_readv, 1, nullptr, 0, nullptr, 0, 0),
    TRY_CALL("write another's memory", process_vm_writev, 1, nullptr, 0, nullptr, 0, 0),
    TRY_CALL("advise another's memory", process_madvise, kNoFd, nullptr, 0, 0, 0),
    TRY_CALL("pidfd_open", pidfd_open, 1, 0),
    TRY_CALL("pidfd_getfd", pidfd_getfd, kNoFd, 0, 0),
    TRY_CALL("pidfd_send_signal", pidfd_send_signal, kNoFd, kNobodySignal, nullptr, 0),
    TRY_CALL("kill another", kill, 1, kNobodySignal),
    TRY_CALL("kill its own uid", kill, -1, kNobodySignal),
    TRY_CALL("tkill", tkill, 1, kNobodySignal),
    TRY_CALL("tgkill another", tgkill, 1, 1, kNobodySignal),
    TRY_CALL("queue a signal", rt_sigqueueinfo, 1, kNobodySignal, nullptr),
    TRY_CALL("queue a signal to a thread", rt_tgsigqueueinfo, 1, 1, kNobodySignal, nullptr),
    TRY_CALL("kcmp", kcmp, 1, 1, 0, 0, 0),
    // identity and rights
    TRY_CALL("setuid", setuid, 0),
    TRY_CALL("setgid", setgid, 0),
    TRY_CALL("setreuid", setreuid, 0, 0),
    TRY_CALL("setresuid", setresuid, 0, 0, 0),
    TRY_CALL("setresgid", setresgid, 0, 0, 0),
    TRY_CALL("setgroups", setgroups, 0, nullptr),
    TRY_CALL("setfsuid", setfsuid, 0),
    TRY_CALL("capset", capset, nullptr, nullptr),
    TRY_CALL("prctl to be dumpable", prctl, PR_SET_DUMPABLE, 1, 0, 0, 0),
    TRY_CALL("prctl to outlive its parent", prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0),
    TRY_CALL("prctl ambient capability", prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0),
    TRY_CALL("prctl securebits", prctl, PR_SET_SECUREBITS, 0, 0, 0, 0),
    TRY_CALL("prctl memory map", prctl, PR_SET_MM, 0, 0, 0, 0),
    TRY_CALL("prctl seccomp strict", prctl, PR_SET_SECCOMP, 1, 0, 0, 0),
    TRY_CALL("prctl subreaper", prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0),
    TRY_CALL("seccomp listener", seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, nullptr),
    TRY_CALL("seccomp strict", seccomp, SECCOMP_SET_MODE_STRICT, 0, nullptr),
    TRY_CALL("landlock ruleset", landlock_create_ruleset, nullptr, 0, 1),
    // the tree of files
    TRY_CALL("mount", mount, nullptr, nullptr, nullptr, 0, nullptr),
    TRY_CALL("umount2", umount2, nullptr, 0),
    TRY_CALL("pivot_root", pivot_root, nullptr, nullptr),
    TRY_CALL("chroot", chroot, nullptr),
    TRY_CALL("unshare user", unshare, CLONE_NEWUSER),
    TRY_CALL("unshare net", unshare, CLONE_NEWNET),
    TRY_CALL("setns", setns, kNoFd, 0),
    TRY_CALL("open_tree", open_tree, kNoFd, nullptr, 0),
    TRY_CALL("move_mount", move_mount, kNoFd, nullptr, kNoFd, nullptr, 0),
    TRY_CALL("fsopen", fsopen, nullptr, 0),
    TRY_CALL("mount_setattr", mount_setattr, kNoFd, nullptr, 0, nullptr, 0),
    TRY_CALL("name_to_handle_at", name_to_handle_at, kNoFd, nullptr, nullptr, nullptr, 0),
    TRY_CALL("open_by_handle_at", open_by_handle_at, kNoFd, nullptr, 0),
    TRY_CALL("truncate by name", truncate, nullptr, 0),
    TRY_CALL("ftruncate", ftruncate, kNoFd, 0),
    TRY_CALL("unlink", unlink, nullptr),
    TRY_CALL("rename", rename, nullptr, nullptr),
    TRY_CALL("renameat2", renameat2, kNoFd, nullptr, kNoFd, nullptr, 0),
    TRY_CALL("link", link, nullptr, nullptr),
    TRY_CALL("symlink", symlink, nullptr, nullptr),
    TRY_CALL("mkdir", mkdir, nullptr, 0),
    TRY_CALL("mknod", mknod, nullptr, 0, 0),
    TRY_CALL("chmod", chmod, nullptr, 0),
    TRY_CALL("chown", chown, nullptr, 0, 0),
    TRY_CALL("chdir", chdir, nullptr),
    TRY_CALL("list a directory", getdents64, kNoFd, nullptr, 0),
    TRY_CALL("setxattr", setxattr, nullptr, nullptr, nullptr, 0, 0),
    // memory that is code
    TRY_CALL("map memory as code", mmap, nullptr, kPageBytes, PROT_READ | PROT_EXEC, kAnonymous, kNoFd, 0),
    TRY_CALL("map writable code", mmap, nullptr, kPageBytes, PROT_READ | PROT_WRITE | PROT_EXEC, kAnonymous, kNoFd, 0),
    TRY_CALL("turn data into code", mprotect, nullptr, kPageBytes, PROT_READ | PROT_EXEC),
    TRY_CALL("make memory executable only", mprotect, nullptr, kPageBytes, PROT_EXEC),
    TRY_CALL("turn data into code with a key", pkey_mprotect, nullptr, kPageBytes, PROT_EXEC, 0),
    TRY_CALL("map with a huge page", mmap, nullptr, kPageBytes, PROT_READ, kAnonymous | MAP_HUGETLB, kNoFd, 0),
    TRY_CALL("secret memory", memfd_secret, 0),
    TRY_CALL("inject a page failure", madvise, nullptr, kPageBytes, MADV_HWPOISON),
    // the kernel's own machines
    TRY_CALL("io_uring_setup", io_uring_setup, 1, nullptr),
    TRY_CALL("io_uring_enter", io_uring_enter, kNoFd, 0, 0, 0, nullptr, 0),
    TRY_CALL("io_uring_register", io_uring_register, kNoFd, 0, nullptr, 0),
    TRY_CALL("bpf", bpf, 0, nullptr, 0),
    TRY_CALL("perf_event_open", perf_event_open, nullptr, 0, 0, kNoFd, 0),
    TRY_CALL("userfaultfd", userfaultfd, 0),
    TRY_CALL("keyctl", keyctl, 0, 0, 0, 0, 0),
    TRY_CALL("add_key", add_key, nullptr, nullptr, nullptr, 0, 0),
    TRY_CALL("request_key", request_key, nullptr, nullptr, nullptr, 0),
    TRY_CALL("init_module", init_module, nullptr, 0, nullptr),
    TRY_CALL("finit_module", finit_module, kNoFd, nullptr, 0),
    TRY_CALL("delete_module", delete_module, nullptr, 0),
    TRY_CALL("kexec_load", kexec_load, 0, ~0ul, nullptr, ~0ul),
    TRY_CALL("kexec_file_load", kexec_file_load, kNoFd, kNoFd, 0, nullptr, ~0ul),
    TRY_CALL("personality", personality, 0xffffffff),
    TRY_CALL("modify_ldt", modify_ldt, 99, nullptr, 0),
    TRY_CALL("iopl", iopl, 0),
    TRY_CALL("ioperm", ioperm, 0, 0, 0),
    // the machine
    TRY_CALL("reboot", reboot, 0, 0, 0, nullptr),
    TRY_CALL("swapon", swapon, nullptr, 0),
    TRY_CALL("swapoff", swapoff, nullptr),
    TRY_CALL("acct", acct, ~0ul),
    TRY_CALL("read the kernel log", syslog, 99, nullptr, 0),
    TRY_CALL("settimeofday", settimeofday, nullptr, nullptr),
    TRY_CALL("clock_settime", clock_settime, kNoFd, nullptr),
    TRY_CALL("adjtimex", adjtimex, nullptr),
    TRY_CALL("clock_adjtime", clock_adjtime, kNoFd, nullptr),
    TRY_CALL("sethostname", sethostname, nullptr, -1),
    TRY_CALL("quotactl", quotactl, 0, nullptr, 0, nullptr),
    TRY_CALL("setrlimit", setrlimit, 999, nullptr),
    TRY_CALL("setpriority", setpriority, 99, 0, 0),
    TRY_CALL("sched_setscheduler", sched_setscheduler, 0, 0, nullptr),
    TRY_CALL("mlockall", mlockall, 0),
    // devices
    TRY_CALL("type into a terminal", ioctl, kNoFd, TIOCSTI, nullptr),
    TRY_CALL("paste into a console", ioctl, kNoFd, TIOCLINUX, nullptr),
    TRY_CALL("take a terminal", ioctl, kNoFd, TIOCSCTTY, 0),
    TRY_CALL("freeze a file system", ioctl, kNoFd, FIFREEZE, 0),
    TRY_CALL("set file flags", ioctl, kNoFd, FS_IOC_SETFLAGS, nullptr),
    // ways to other processes
    TRY_CALL("socketpair", socketpair, AF_UNIX, SOCK_STREAM, 0, nullptr),
    TRY_CALL("bind", bind, kNoFd, nullptr, 0),
    TRY_CALL("listen", listen, kNoFd, 0),
    TRY_CALL("setsockopt", setsockopt, kNoFd, 0, 0, nullptr, 0),
    TRY_CALL("pipe2", pipe2, nullptr, 0),
    TRY_CALL("shmget", shmget, 0, 0, 0),
    TRY_CALL("msgget", msgget, 0, 0),
    TRY_CALL("semget", semget, 0, 0, 0),
    TRY_CALL("mq_open", mq_open, nullptr, 0, 0, nullptr),
    TRY_CALL("inotify_init1", inotify_init1, -1),
    TRY_CALL("fanotify_init", fanotify_init, ~0u, 0),
    TRY_CALL("splice", splice, kNoFd, nullptr, kNoFd, nullptr, 0, 0),
    TRY_CALL("vmsplice", vmsplice, kNoFd, nullptr, 0, 0),
    TRY_CALL("steer another's descriptor", fcntl, kNoFd, F_SETOWN, 1),
    TRY_CALL("lock a file", fcntl, kNoFd, F_SETLEASE, 0),
    TRY_CALL("futex with priorities", futex, nullptr, 6, 0, nullptr, nullptr, 0),
    TRY_CALL("drain the entropy of /dev/random", getrandom, nullptr, 0, 2),
    TRY_CALL("a call newer than the filter", landlock_restrict_self, kNoFd, 0),
    {"a number that no kernel knows", 600, [] { return ::syscall(600); }, Killed(), {}, {}},
    {"int 0x80", 20, CallOldGate, Killed(), {}, {}, AUDIT_ARCH_I386},
    {"x32", 0x40000000 | SYS_getpid, [] { return ::syscall(0x40000000 | SYS_getpid); }, Killed(), {}, {}},
    {"accept", SYS_accept4, [] { return ::syscall(SYS_accept4, kNoFd, nullptr, nullptr, 0); }, Killed(), {},
     Environment(EBADF)},
    {"fsync", SYS_fsync, [] { return ::syscall(SYS_fsync, kNoFd); }, Killed(), {}, {}},

    // what libraries try, softly refused
    {"openat", SYS_openat, [] { return ReadWrongly(O_RDONLY, nullptr); }, Refused(EACCES), Environment(EFAULT), {}},
    {"openat for writing", SYS_openat, [] { return ReadWrongly(O_WRONLY, nullptr); }, Refused(EACCES), {}, {}},
    {"openat for both", SYS_openat, [] { return ReadWrongly(O_RDWR, nullptr); }, Refused(EACCES), {}, {}},
    // A running worker still carries its load filter, and of two verdicts the harder one counts.
    {"openat emptying a file", SYS_openat, [] { return ReadWrongly(O_TRUNC, nullptr); }, Killed(), {}, Refused(EACCES)},
    {"openat creating a file", SYS_openat, [] { return ReadWrongly(O_CREAT, nullptr); }, Killed(), {}, Refused(EACCES)},
    {"openat of a path only", SYS_openat, [] { return ReadWrongly(O_PATH, nullptr); }, Killed(), {}, Refused(EACCES)},
    TRY_SOFT("open", open, EACCES, nullptr, 0),
    TRY_SOFT("openat2", openat2, EACCES, kNoFd, nullptr, nullptr, 0),
    TRY_SOFT("creat", creat, EACCES, nullptr, 0),
    TRY_SOFT("stat", stat, EACCES, nullptr, nullptr),
    TRY_SOFT("lstat", lstat, EACCES, nullptr, nullptr),
    TRY_SOFT("statx", statx, EACCES, kNoFd, nullptr, 0, 0, nullptr),
    {"newfstatat", SYS_newfstatat, [] { return ::syscall(SYS_newfstatat, AT_FDCWD, nullptr, nullptr, 0); },
     Refused(EACCES), Environment(EFAULT), {}},
    TRY_SOFT("access", access, EACCES, nullptr, 0),
    TRY_SOFT("faccessat2", faccessat2, EACCES, kNoFd, nullptr, 0, 0),
    TRY_SOFT("readlink", readlink, EACCES, nullptr, nullptr, 0),
    TRY_SOFT("readlinkat", readlinkat, EACCES, kNoFd, nullptr, nullptr, 0),
    TRY_SOFT("getcwd", getcwd, EACCES, nullptr, 0),
    TRY_SOFT("connect", connect, EAFNOSUPPORT, kNoFd, nullptr, 0),
    TRY_SOFT("prlimit64", prlimit64, EPERM, 0, 999, nullptr, nullptr),
    TRY_SOFT("getrlimit", getrlimit, EPERM, 999, nullptr),
    TRY_SOFT("sysinfo", sysinfo, EPERM, nullptr),
    TRY_SOFT("uname", uname, EPERM, nullptr),
    TRY_SOFT("sched_getaffinity", sched_getaffinity, EPERM, 0, 0, nullptr),
    TRY_SOFT("ask for a terminal", ioctl, ENOTTY, kNoFd, TCGETS, nullptr),
    {"clear O_APPEND", SYS_fcntl, [] { return ::syscall(SYS_fcntl, kNoFd, F_SETFL, 0); }, Refused(EPERM), {},
     Environment(EBADF)},

    // paths outside every grant, by their names: refused by the filter once it stands, before by Landlock (what is
    // there) or by the private root (what is not)
    {"path /etc/passwd", SYS_openat, [] { return ReadWrongly(O_RDONLY, "/etc/passwd"); }, Refused(EACCES),
     Environment(ENOENT), {}},
    {"path of its own root", SYS_openat, [] { return ReadWrongly(O_RDONLY | O_DIRECTORY, "/"); }, Refused(EACCES),
     Environment(EACCES), {}},
    {"path /proc/self/mem", SYS_openat, [] { return ReadWrongly(O_RDONLY, "/proc/self/mem"); }, Refused(EACCES),
     Environment(ENOENT), {}},
    {"path through a leaked directory", SYS_openat,
     [] { return ::syscall(SYS_openat, kLeakedDirectoryFd, "../../etc/passwd", O_RDONLY, 0); }, Refused(EACCES),
     Environment(EACCES), {}},
    // A machine may lack these families and say the same: SocketFamilyTest shows whose word it is.
    {"socket to the host", SYS_socket, [] { return ::syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0); },
     Environment(EAFNOSUPPORT), {}, {}},
    {"socket to the kernel's ciphers", SYS_socket, [] { return ::syscall(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0); },
     Environment(EAFNOSUPPORT), {}, {}},

    // what the load sandbox must allow for a while
    {"map a file's code", SYS_mmap,
     [] { return ::syscall(SYS_mmap, nullptr, kPageBytes, PROT_READ | PROT_EXEC, MAP_PRIVATE, kNoFd, 0); }, Killed(),
     Environment(EBADF), {}},
    {"map a file shared", SYS_mmap,
     [] { return ::syscall(SYS_mmap, nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, kNoFd, 0); }, Killed(),
     Environment(EBADF), Environment(EBADF)},
    {"another filter", SYS_seccomp,
     [] { return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, nullptr); }, Killed(),
     Environment(EFAULT), {}},
};
// clang-format on

}  // namespace

std::span<const Attack> AllAttacks() {
  return kAttacks;
}

const Attack* FindAttack(std::string_view name) {
  for (const Attack& attack : kAttacks) {
    if (name == attack.name) return &attack;
  }
  return nullptr;
}

long OpenSocketOfFamily(int family) {
  constexpr int kNoSuchType = 0x7ff;
  return ::syscall(SYS_socket, family, kNoSuchType | 0x40000000, 0);
}

}  // namespace reeve::attacks
