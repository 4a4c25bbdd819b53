#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/profile.h"

// What a freshly forked child of the warden does to become a confined process: the steps of a confinement in their
// order, ending in execveat of the binary by descriptor. Needs root, unless the profile is unprivileged; one thread. The child
// must have been forked with a copy of the warden's memory (fork, or clone3 without CLONE_VM).

namespace reeve::sandbox {

// The numbers at which a confined process finds its descriptors. Nothing else is open after exec.
inline constexpr int kControlFd = 3;          // SOCK_SEQPACKET to the warden
inline constexpr int kRingInFd = 4;           // memfd: what this process reads (a worker: requests)
inline constexpr int kRingOutFd = 5;          // memfd: what this process writes (a worker: replies)
inline constexpr int kPolicyFd = 6;           // sealed memfd: the compiled configuration (core) or the start record
inline constexpr int kFirstInheritedFd = 10;  // profile.inherited[i] stands at kFirstInheritedFd + i
inline constexpr int kFirstExtraFd = 64;      // the plan's own further descriptors (the core's listeners) from here

// The plugin's file in a private root, or in slave_mount_directory. An unprivileged process finds it where it is.
inline constexpr const char* kPluginPath = "/plugin.so";

// `fd` of the warden (lent) becomes `number` in the child. 0, 1 are /dev/null unless placed; 2 should be the
// log pipe.
struct PlacedFd {
  int fd = -1;
  int number = -1;
};

struct ChildPlan {
  const policy::SandboxProfile* profile = nullptr;  // lent; REQUIRES: uid != 0
  int binary_fd = -1;                               // checked executable, O_PATH or O_RDONLY; lent
  std::vector<std::string> argv;                    // argv[0] names the process
  std::vector<std::string> environment;             // complete; nothing is inherited
  std::vector<PlacedFd> fds;
  int plugin_fd = -1;       // checked plugin, O_PATH or O_RDONLY, or -1 for a role without plugin; lent
  std::string plugin_path;  // where plugin_fd was opened
  // Only for MountView::kRecursiveSlave with a plugin: an existing directory in which the process needs
  // nothing. A tmpfs hides it in the child's own namespace, and the plugin stands there as `plugin.so`; the process
  // starts in it, so that its user need not be allowed to search the directories above.
  std::string slave_mount_directory;
  std::string run_directory;  // where InheritedFd kListen and kState files live; empty if there are none
  pid_t warden_pid = 0;       // getpid() of the warden, taken before the fork
  int report_fd = -1;         // writing end of a pipe, close-on-exec; see ReadConfineReport. Lent
};

// Where the worker finds its plugin: kPluginPath in a private root, else below where it starts; unprivileged at
// plugin_path. Empty without plugin.
std::string PluginPathIn(const ChildPlan& plan);

// The flags beside SIGCHLD with which the warden must clone the child: CLONE_NEWPID when the profile has its
// own process ids. Everything else the child unshares itself.
uint64_t CloneFlagsFor(const policy::SandboxProfile& profile);

// Never returns. On success the binary runs and the report pipe closes; on failure the step and its error are
// written to the report pipe and the process ends with status 127. A limit that could not be raised (EPERM
// also for root) and a machine without Landlock, where the profile does not demand it, are reported as remarks,
// and the child goes on.
[[noreturn]] void ConfineAndExec(const ChildPlan& plan);

// The reading side: what came through the report pipe until it closed.
struct ConfineReport {
  std::vector<std::string> remarks;  // "limits: RLIMIT_NOFILE: Operation not permitted"
  std::string failure;               // "step 'landlock': ..."; empty: exec happened
};
// `text` is all that was read from the pipe up to its end. The writer is our own child before exec, so it is
// trusted no further than to be text.
ConfineReport ParseConfineReport(const std::string& text);
// No report is longer; a reader may stop there.
inline constexpr size_t kMaxConfineReportBytes = 4096;

}  // namespace reeve::sandbox
