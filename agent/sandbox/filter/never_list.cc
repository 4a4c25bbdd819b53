#include "agent/sandbox/filter/never_list.h"

#include <asm/ioctls.h>
#include <sched.h>
#include <sys/syscall.h>

#include <cerrno>

namespace reeve::sandbox {
namespace {

// clang-format off: a table
constexpr const char* kNever[] = {
    // other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "pidfd_open",
    "pidfd_send_signal", "kcmp", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
    // the kernel's own machines
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl",
    "add_key", "request_key", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load",
    // the tree of files
    "mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "name_to_handle_at", "open_by_handle_at", "quotactl", "quotactl_fd",
    "truncate", "link", "linkat", "rename", "renameat", "renameat2", "symlink", "symlinkat", "mknod", "mknodat",
    // the machine
    "swapon", "swapoff", "reboot", "iopl", "ioperm", "acct", "syslog", "personality", "settimeofday", "clock_settime",
    "adjtimex", "clock_adjtime", "modify_ldt", "vhangup", "sethostname", "setdomainname",
    // another program, another identity
    "execve", "execveat", "fork", "vfork", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid",
    "setgroups", "setfsuid", "setfsgid", "capset", "memfd_secret", "pkey_mprotect"};
// clang-format on

#define REFUSED(name)         \
  CallRule {                  \
    #name, SYS_##name, {}, {  \
      Verdict::kRefuse, EPERM \
    }                         \
  }

// clang-format off: a table
std::vector<CallRule> DangerousCalls() {
  return {REFUSED(init_module), REFUSED(finit_module), REFUSED(delete_module), REFUSED(iopl), REFUSED(ioperm),
          REFUSED(kexec_load), REFUSED(kexec_file_load), REFUSED(reboot), REFUSED(swapon), REFUSED(swapoff),
          REFUSED(ptrace), REFUSED(process_vm_readv), REFUSED(process_vm_writev), REFUSED(pidfd_getfd),
          REFUSED(perf_event_open), REFUSED(bpf), REFUSED(userfaultfd), REFUSED(io_uring_setup),
          REFUSED(io_uring_enter), REFUSED(io_uring_register), REFUSED(add_key), REFUSED(request_key),
          REFUSED(keyctl), REFUSED(mount), REFUSED(umount2), REFUSED(pivot_root), REFUSED(chroot), REFUSED(setns),
          REFUSED(unshare), REFUSED(move_mount), REFUSED(open_tree), REFUSED(fsopen), REFUSED(fsconfig),
          REFUSED(fsmount), REFUSED(fspick), REFUSED(mount_setattr), REFUSED(open_by_handle_at), REFUSED(quotactl),
          REFUSED(acct), REFUSED(syslog), REFUSED(settimeofday), REFUSED(clock_settime), REFUSED(adjtimex),
          REFUSED(clock_adjtime), REFUSED(modify_ldt), REFUSED(vhangup)};
}
// clang-format on

// clone3 keeps its flags in memory, where no filter can look: ENOSYS makes the C library use clone.
std::vector<CallRule> NewNamespaces() {
  std::vector<CallRule> rules{CallRule{"clone3", SYS_clone3, {}, {Verdict::kRefuse, ENOSYS}}};
  for (const uint32_t flag :
       {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET}) {
    rules.push_back({"clone", SYS_clone, {{0, flag, flag}}, {Verdict::kRefuse, EPERM}});
  }
  return rules;
}

}  // namespace

std::span<const char* const> NeverList() {
  return kNever;
}

std::vector<CallRule> ServiceRefusals() {
  std::vector<CallRule> rules = DangerousCalls();
  for (CallRule& rule : NewNamespaces()) rules.push_back(std::move(rule));
  // What is typed into a terminal runs as whoever reads it.
  for (const uint32_t command : {TIOCSTI, TIOCLINUX}) {
    rules.push_back({"ioctl", SYS_ioctl, {{1, 0xffffffff, command}}, {Verdict::kRefuse, EPERM}});
  }
  return rules;
}

}  // namespace reeve::sandbox
