#include "agent/sandbox/filter/never_list.h"

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

}  // namespace

std::span<const char* const> NeverList() {
  return kNever;
}

}  // namespace reeve::sandbox
