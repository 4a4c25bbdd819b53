#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// The effective sandbox of one process: what the manifest asked for and policy granted, with everything resolved to
// numbers and paths. Made when the policy is compiled, carried in the compiled configuration, applied by
// agent/sandbox, checked from outside by the warden. Plain values.

namespace reeve::policy {

// How a program that a rule permits is shut in (policy/REFERENCE.md, agent/sandbox/program_confinement.h).
enum class Confinement : uint8_t { kUnconfined, kAdmin, kService, kReadonly, kSandboxed, kHook };
inline constexpr size_t kConfinementCount = 6;

// Whether only root can shut a program in so. The others hold for an ordinary user's own programs too.
constexpr bool TakesRoot(Confinement confinement) {
  return confinement != Confinement::kUnconfined && confinement != Confinement::kService;
}

// Purpose words for system calls (`promises` of plugin-api/MANIFEST.md). Each adds to the base profile `stdio`.
// What no promise names is not there; the never-list cannot be asked for by any.
enum class Promise : uint8_t {
  kStdio,         // the base profile; always there
  kThreads,       // clone with the thread flags, after the run sandbox stands
  kReadPath,      // rpath: openat read-only, newfstatat, statfs, getdents64, beneath what `paths` grants
  kNetlinkRoute,  // netlink-route: socket(AF_NETLINK, any, NETLINK_ROUTE)
  kAccept,        // accept: accept4 and getsockopt on an inherited listening socket
  kFreeze,        // built-in fsfreeze only: openat of directories, ioctl FIFREEZE FITHAW FITRIM
  kSetClock,      // built-in system only: clock_settime
};

enum class PathAccess : uint8_t { kRead, kReadExecute, kReadDirectory, kReadWrite };

struct PathGrant {
  std::string path;
  PathAccess access = PathAccess::kRead;
};

// A descriptor that the child opens before it gives up its rights, found by the plugin by `name` (design, section 5).
struct InheritedFd {
  enum class Kind : uint8_t { kMountinfo, kProcFile, kNetlinkRoute, kListen, kSystemBus, kState, kJournal };
  Kind kind = Kind::kProcFile;
  std::string name;      // what the plugin asks for: "mountinfo", "proc:loadavg"
  std::string path;      // kProcFile: below /proc; kListen, kState: the file's name in the run directory
  uint32_t mode = 0600;  // kListen
};

enum class MountView : uint8_t { kPrivateRoot, kRecursiveSlave };

// What kind of process this is; the filter's base differs (the core accepts connections, a worker does not).
enum class Role : uint8_t { kCore, kLog, kWorker };

struct ResourceLimits {
  uint64_t data_bytes = 64ull << 20;  // RLIMIT_DATA
  uint64_t file_bytes = 16ull << 20;  // RLIMIT_FSIZE; not below the ring
  uint32_t open_files = 64;           // RLIMIT_NOFILE
  uint32_t tasks = 16;                // RLIMIT_NPROC, counted per uid
  uint64_t locked_bytes = 0;          // RLIMIT_MEMLOCK
};

struct SandboxProfile {
  std::string name;  // "core", "log", or the plugin's name
  Role role = Role::kWorker;
  uint32_t uid = 0;  // also the gid; numeric, from the reserved range, one per process role and plugin
  // The warden is an ordinary user and `uid` is its own: filters, Landlock, no_new_privs and limits hold; no uid apart, no
  // namespace, no private root, and the user's groups and bounding set stay.
  bool is_unprivileged = false;
  uint64_t capabilities = 0;  // bit n is capability n; permitted and effective, nothing else
  MountView mounts = MountView::kPrivateRoot;
  bool has_host_net = false;
  bool has_host_uts = false;
  bool has_host_pid = true;
  bool dies_with_parent = true;  // false only for fsfreeze
  bool locks_memory = false;     // mlockall before the load sandbox
  bool makes_threads = false;    // the worker is expected to be multi-threaded
  std::vector<Promise> promises;
  bool Has(Promise promise) const { return std::ranges::find(promises, promise) != promises.end(); }
  std::vector<PathGrant> paths;
  std::vector<InheritedFd> inherited;
  ResourceLimits limits;
  uint32_t landlock_minimum = 0;  // refuse to run below this level of the kernel's Landlock
  // Classic BPF programs (struct sock_filter[]), as bytes. A role without dlopen has an empty load filter.
  std::vector<uint8_t> load_filter;
  std::vector<uint8_t> run_filter;
};

}  // namespace reeve::policy
