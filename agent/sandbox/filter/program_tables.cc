#include "agent/sandbox/filter/program_tables.h"

#include <asm/ioctls.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#define ALLOWED(name)                           \
  CallRule {                                    \
    #name, SYS_##name, {}, {Verdict::kAllow, 0} \
  }
#define REFUSED(name)         \
  CallRule {                  \
    #name, SYS_##name, {}, {  \
      Verdict::kRefuse, EPERM \
    }                         \
  }

namespace reeve::sandbox {
namespace {

using policy::Confinement;

constexpr uint32_t kWhole = 0xffffffff;
constexpr uint32_t kNamespaceFlags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                        CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};

// clang-format off: tables

// The kernel's own machinery, the machine as a whole, other processes' memory, keys: no program of a rule but an unconfined one.
std::vector<CallRule> MachineCalls() {
  return {REFUSED(init_module), REFUSED(finit_module), REFUSED(delete_module), REFUSED(iopl), REFUSED(ioperm),
          REFUSED(kexec_load), REFUSED(kexec_file_load), REFUSED(reboot), REFUSED(swapon), REFUSED(swapoff),
          REFUSED(ptrace), REFUSED(process_vm_readv), REFUSED(process_vm_writev), REFUSED(pidfd_getfd),
          REFUSED(perf_event_open), REFUSED(bpf), REFUSED(userfaultfd), REFUSED(io_uring_setup),
          REFUSED(io_uring_enter), REFUSED(io_uring_register), REFUSED(add_key), REFUSED(request_key),
          REFUSED(keyctl)};
}

// What changes the tree of files, the clock or the machine's accounts: what only an administrator has to do.
std::vector<CallRule> AdministrationCalls() {
  return {REFUSED(mount), REFUSED(umount2), REFUSED(pivot_root), REFUSED(chroot), REFUSED(setns), REFUSED(unshare),
          REFUSED(move_mount), REFUSED(open_tree), REFUSED(fsopen), REFUSED(fsconfig), REFUSED(fsmount), REFUSED(fspick),
          REFUSED(mount_setattr), REFUSED(open_by_handle_at), REFUSED(quotactl), REFUSED(quotactl_fd), REFUSED(acct),
          REFUSED(syslog), REFUSED(settimeofday), REFUSED(clock_settime), REFUSED(adjtimex), REFUSED(clock_adjtime),
          REFUSED(modify_ldt), REFUSED(vhangup)};
}

// Another identity, more of the machine's time or memory than others.
std::vector<CallRule> IdentityAndResourceCalls() {
  return {REFUSED(setuid), REFUSED(setgid), REFUSED(setreuid), REFUSED(setregid), REFUSED(setresuid), REFUSED(setresgid),
          REFUSED(setgroups), REFUSED(setfsuid), REFUSED(setfsgid), REFUSED(capset), REFUSED(sethostname),
          REFUSED(setdomainname), REFUSED(name_to_handle_at), REFUSED(setpriority), REFUSED(ioprio_set),
          REFUSED(sched_setaffinity), REFUSED(sched_setattr), REFUSED(sched_setparam), REFUSED(sched_setscheduler),
          REFUSED(mbind), REFUSED(set_mempolicy), REFUSED(migrate_pages), REFUSED(move_pages)};
}

std::vector<CallRule> FileCalls() {
  return {ALLOWED(read), ALLOWED(write), ALLOWED(readv), ALLOWED(writev), ALLOWED(pread64), ALLOWED(pwrite64),
          ALLOWED(preadv), ALLOWED(pwritev), ALLOWED(preadv2), ALLOWED(pwritev2), ALLOWED(lseek), ALLOWED(close),
          ALLOWED(close_range), ALLOWED(dup), ALLOWED(dup2), ALLOWED(dup3), ALLOWED(pipe), ALLOWED(pipe2),
          ALLOWED(fcntl), ALLOWED(flock), ALLOWED(sendfile), ALLOWED(splice), ALLOWED(tee), ALLOWED(copy_file_range),
          ALLOWED(fsync), ALLOWED(fdatasync), ALLOWED(sync_file_range), ALLOWED(readahead), ALLOWED(fadvise64),
          ALLOWED(fallocate), ALLOWED(ftruncate), ALLOWED(truncate), ALLOWED(getdents), ALLOWED(getdents64),
          ALLOWED(open), ALLOWED(openat), ALLOWED(openat2), ALLOWED(creat), ALLOWED(stat), ALLOWED(lstat),
          ALLOWED(fstat), ALLOWED(newfstatat), ALLOWED(statx), ALLOWED(access), ALLOWED(faccessat),
          ALLOWED(faccessat2), ALLOWED(readlink), ALLOWED(readlinkat), ALLOWED(getcwd), ALLOWED(chdir), ALLOWED(fchdir),
          ALLOWED(mkdir), ALLOWED(mkdirat), ALLOWED(rmdir), ALLOWED(unlink), ALLOWED(unlinkat), ALLOWED(rename),
          ALLOWED(renameat), ALLOWED(renameat2), ALLOWED(link), ALLOWED(linkat), ALLOWED(symlink), ALLOWED(symlinkat),
          ALLOWED(mknod), ALLOWED(mknodat), ALLOWED(chmod), ALLOWED(fchmod), ALLOWED(fchmodat), ALLOWED(chown),
          ALLOWED(fchown), ALLOWED(lchown), ALLOWED(fchownat), ALLOWED(utime), ALLOWED(utimes), ALLOWED(utimensat),
          ALLOWED(futimesat), ALLOWED(umask), ALLOWED(statfs), ALLOWED(fstatfs), ALLOWED(getxattr),
          ALLOWED(lgetxattr), ALLOWED(fgetxattr), ALLOWED(listxattr), ALLOWED(llistxattr), ALLOWED(flistxattr),
          ALLOWED(setxattr), ALLOWED(lsetxattr), ALLOWED(fsetxattr), ALLOWED(removexattr), ALLOWED(lremovexattr),
          ALLOWED(fremovexattr), ALLOWED(memfd_create), ALLOWED(inotify_init), ALLOWED(inotify_init1),
          ALLOWED(inotify_add_watch), ALLOWED(inotify_rm_watch)};
}

std::vector<CallRule> WaitingCalls() {
  return {ALLOWED(poll), ALLOWED(ppoll), ALLOWED(select), ALLOWED(pselect6), ALLOWED(epoll_create),
          ALLOWED(epoll_create1), ALLOWED(epoll_ctl), ALLOWED(epoll_wait), ALLOWED(epoll_pwait), ALLOWED(epoll_pwait2),
          ALLOWED(eventfd), ALLOWED(eventfd2), ALLOWED(signalfd), ALLOWED(signalfd4), ALLOWED(timerfd_create),
          ALLOWED(timerfd_settime), ALLOWED(timerfd_gettime), ALLOWED(pause), ALLOWED(nanosleep),
          ALLOWED(clock_nanosleep), ALLOWED(clock_gettime), ALLOWED(clock_getres), ALLOWED(gettimeofday), ALLOWED(time),
          ALLOWED(times), ALLOWED(alarm), ALLOWED(getitimer), ALLOWED(setitimer), ALLOWED(timer_create),
          ALLOWED(timer_settime), ALLOWED(timer_gettime), ALLOWED(timer_getoverrun), ALLOWED(timer_delete),
          ALLOWED(rt_sigaction), ALLOWED(rt_sigprocmask), ALLOWED(rt_sigreturn), ALLOWED(rt_sigpending),
          ALLOWED(rt_sigtimedwait), ALLOWED(rt_sigsuspend), ALLOWED(rt_sigqueueinfo), ALLOWED(rt_tgsigqueueinfo),
          ALLOWED(sigaltstack), ALLOWED(restart_syscall)};
}

std::vector<CallRule> MemoryCalls() {
  return {ALLOWED(mmap), ALLOWED(munmap), ALLOWED(mremap), ALLOWED(mprotect), ALLOWED(madvise), ALLOWED(brk),
          ALLOWED(mincore), ALLOWED(msync), ALLOWED(mlock), ALLOWED(mlock2), ALLOWED(munlock), ALLOWED(mlockall),
          ALLOWED(munlockall), ALLOWED(membarrier), ALLOWED(get_mempolicy), ALLOWED(futex), ALLOWED(futex_waitv),
          ALLOWED(set_robust_list), ALLOWED(get_robust_list), ALLOWED(rseq), ALLOWED(getrandom), ALLOWED(shmget),
          ALLOWED(shmat), ALLOWED(shmdt), ALLOWED(shmctl), ALLOWED(semget), ALLOWED(semop), ALLOWED(semtimedop),
          ALLOWED(semctl), ALLOWED(msgget), ALLOWED(msgsnd), ALLOWED(msgrcv), ALLOWED(msgctl), ALLOWED(mq_open),
          ALLOWED(mq_unlink), ALLOWED(mq_timedsend), ALLOWED(mq_timedreceive), ALLOWED(mq_notify),
          ALLOWED(mq_getsetattr)};
}

// A sandbox of its own that a program lays over this one (seccomp, Landlock) only takes away.
std::vector<CallRule> ProcessCalls() {
  return {ALLOWED(fork), ALLOWED(vfork), ALLOWED(execve), ALLOWED(execveat), ALLOWED(exit), ALLOWED(exit_group),
          ALLOWED(wait4), ALLOWED(waitid), ALLOWED(kill), ALLOWED(tkill), ALLOWED(tgkill), ALLOWED(pidfd_open),
          ALLOWED(pidfd_send_signal), ALLOWED(getpid), ALLOWED(getppid), ALLOWED(gettid), ALLOWED(getuid),
          ALLOWED(geteuid), ALLOWED(getgid), ALLOWED(getegid), ALLOWED(getresuid), ALLOWED(getresgid),
          ALLOWED(getgroups), ALLOWED(getpgrp), ALLOWED(getpgid), ALLOWED(setpgid), ALLOWED(getsid), ALLOWED(setsid),
          ALLOWED(getrusage), ALLOWED(uname), ALLOWED(sysinfo), ALLOWED(getcpu), ALLOWED(sched_yield),
          ALLOWED(sched_getaffinity), ALLOWED(sched_getparam), ALLOWED(sched_getscheduler), ALLOWED(sched_getattr),
          ALLOWED(sched_get_priority_max), ALLOWED(sched_get_priority_min), ALLOWED(sched_rr_get_interval),
          ALLOWED(getpriority), ALLOWED(ioprio_get), ALLOWED(getrlimit), ALLOWED(setrlimit), ALLOWED(prlimit64),
          ALLOWED(prctl), ALLOWED(arch_prctl), ALLOWED(set_tid_address), ALLOWED(capget), ALLOWED(personality),
          ALLOWED(seccomp), ALLOWED(landlock_create_ruleset), ALLOWED(landlock_add_rule),
          ALLOWED(landlock_restrict_self)};
}

// Which families a socket may have is said beside it.
std::vector<CallRule> ConnectionCalls() {
  return {ALLOWED(socketpair), ALLOWED(bind), ALLOWED(connect), ALLOWED(listen), ALLOWED(accept), ALLOWED(accept4),
          ALLOWED(getsockname), ALLOWED(getpeername), ALLOWED(getsockopt), ALLOWED(setsockopt), ALLOWED(sendto),
          ALLOWED(recvfrom), ALLOWED(sendmsg), ALLOWED(recvmsg), ALLOWED(sendmmsg), ALLOWED(recvmmsg),
          ALLOWED(shutdown)};
}
// clang-format on

CallRule Tested(const char* name, int number, uint8_t index, uint32_t mask, uint32_t value, Action action) {
  return {name, number, {{index, mask, value}}, action};
}

// What is typed into a terminal runs as whoever reads it.
std::vector<CallRule> TerminalInjection() {
  std::vector<CallRule> rules;
  for (const uint32_t command : {TIOCSTI, TIOCLINUX})
    rules.push_back(Tested("ioctl", SYS_ioctl, 1, kWhole, command, {Verdict::kRefuse, EPERM}));
  return rules;
}

// clone3 keeps its flags in memory, where no filter can look: ENOSYS makes the C library use clone.
std::vector<CallRule> NewNamespaces() {
  std::vector<CallRule> rules{CallRule{"clone3", SYS_clone3, {}, {Verdict::kRefuse, ENOSYS}}};
  for (const uint32_t flag : kNamespaceFlags)
    rules.push_back(Tested("clone", SYS_clone, 0, flag, flag, {Verdict::kRefuse, EPERM}));
  return rules;
}

CallRule CloneWithoutNamespaces() {
  uint32_t all = 0;
  for (const uint32_t flag : kNamespaceFlags) all |= flag;
  return Tested("clone", SYS_clone, 0, all, 0, {Verdict::kAllow, 0});
}

// "Not equal" in the words that a table has: AF_UNIX is 1, so a family is another one when it is 0, or has any other bit.
std::vector<CallRule> NoFamilyButUnix() {
  static_assert(AF_UNIX == 1);
  const Action refuse{Verdict::kRefuse, EAFNOSUPPORT};
  std::vector<CallRule> rules{Tested("socket", SYS_socket, 0, kWhole, AF_UNSPEC, refuse)};
  for (uint32_t bit = 2; bit != 0; bit <<= 1) rules.push_back(Tested("socket", SYS_socket, 0, bit, bit, refuse));
  return rules;
}

CallRule UnixSocket() {
  return Tested("socket", SYS_socket, 0, kWhole, AF_UNIX, {Verdict::kAllow, 0});
}

CallRule NoSocket() {
  return {"socket", SYS_socket, {}, {Verdict::kRefuse, EAFNOSUPPORT}};
}

// Of terminals only what tells that there is none; of descriptors and files what copying and reading ask.
std::vector<CallRule> HarmlessControls() {
  std::vector<CallRule> rules;
  for (const uint32_t command :
       {uint32_t{TCGETS}, uint32_t{TIOCGWINSZ}, uint32_t{TIOCGPGRP}, uint32_t{FIONREAD}, uint32_t{FIONBIO},
        uint32_t{FIOCLEX}, uint32_t{FIONCLEX}, uint32_t{FICLONE}, uint32_t{FICLONERANGE}, uint32_t{FS_IOC_GETFLAGS}})
    rules.push_back(Tested("ioctl", SYS_ioctl, 1, kWhole, command, {Verdict::kAllow, 0}));
  return rules;
}

template <typename... Rules>
std::vector<CallRule> Together(std::vector<CallRule> rules, Rules... more) {
  (rules.insert(rules.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end())), ...);
  return rules;
}

std::vector<CallRule> AdminRules() {
  return Together(MachineCalls(), TerminalInjection());
}

std::vector<CallRule> ServiceRules() {
  return Together(AdminRules(), AdministrationCalls(), NewNamespaces());
}

std::vector<CallRule> SandboxedRules() {
  return Together(MachineCalls(), AdministrationCalls(), IdentityAndResourceCalls(), NewNamespaces(), NoFamilyButUnix(),
                  std::vector<CallRule>{CloneWithoutNamespaces(), UnixSocket()}, FileCalls(), WaitingCalls(),
                  MemoryCalls(), ProcessCalls(), ConnectionCalls(), HarmlessControls());
}

std::vector<CallRule> RulesFor(Confinement confinement) {
  switch (confinement) {
    case Confinement::kAdmin:
      return AdminRules();
    case Confinement::kHook:
      return Together(AdminRules(), NoFamilyButUnix());
    case Confinement::kService:
      return ServiceRules();
    case Confinement::kReadonly:
      return Together(ServiceRules(), std::vector<CallRule>{NoSocket()});
    case Confinement::kSandboxed:
      return SandboxedRules();
    case Confinement::kUnconfined:
      break;
  }
  return {};
}

}  // namespace

FilterTable ProgramTable(Confinement confinement) {
  // A program asks for calls newer than it needs and knows what ENOSYS means; EPERM it takes for an answer.
  const Action otherwise =
      confinement == Confinement::kSandboxed ? Action{Verdict::kRefuse, ENOSYS} : Action{Verdict::kAllow, 0};
  return {.otherwise = otherwise, .rules = RulesFor(confinement), .is_for_programs = true};
}

bool NeverForPrograms(const char* name) {
  static const std::vector<CallRule> never = Together(MachineCalls(), AdministrationCalls());
  return std::any_of(never.begin(), never.end(),
                     [&](const CallRule& rule) { return std::strcmp(rule.name, name) == 0; });
}

}  // namespace reeve::sandbox
