#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

// What is mounted, and which of it are file systems on block devices: those that a host hears of (guest-get-fsinfo) and
// that are frozen and trimmed. libmount reads the kernel's table.

namespace reeve::storage {

// One line of /proc/self/mountinfo.
struct Mount {
  int id = 0;
  int parent_id = 0;
  dev_t device = 0;        // of the file system; major 0: none but the kernel's own count
  std::string root;        // what of the file system is mounted: "/", or a directory of it
  std::string mountpoint;  // as a path: nothing is escaped any more
  std::string type;
  std::string source;  // "/dev/vda1", "server:/export", "tmpfs"
};

// The lines of a mountinfo, in their order. Fails with kBadMessage when libmount cannot read them.
Result<std::vector<Mount>> ParseMounts(const std::string& mountinfo);

// Why a mount is not listed.
enum class LeftOut : uint8_t {
  kPseudo,      // proc, tmpfs: nothing on a disk
  kNetwork,     // NFS, CIFS, 9p, virtiofs: somebody else's disk
  kFuse,        // without a block device
  kOverlay,     // what lies below is listed by itself
  kZfs,         // which cannot be frozen
  kNoDevice,    // any other file system without a block device
  kSameDevice,  // a bind mount, a subvolume: the file system is listed by another mount
  kCovered,     // another mount stands above it, so that no path leads there
};
// "network", "same-device", ...: for reports.
const char* NameOf(LeftOut reason);

struct FileSystem {
  Mount mount;       // the first, the oldest, of those that a path leads to
  dev_t device = 0;  // its block device; of btrfs the one that it was mounted by, 0 when that cannot be told
};
struct LeftOutMount {
  Mount mount;
  LeftOut reason;
};
// Each in the order of the table: the oldest first.
struct MountList {
  std::vector<FileSystem> file_systems;
  std::vector<LeftOutMount> left_out;
};

// The block device that `path` is, if it can be seen.
using BlockDeviceOf = std::function<std::optional<dev_t>(const std::string& path)>;
std::optional<dev_t> BlockDeviceAt(const std::string& path);  // by stat(2)

// qemu-ga's choice: what has a major number, and btrfs, whose source says the device; each file system once.
MountList ListFileSystems(const std::vector<Mount>& mounts, const BlockDeviceOf& block_device_of);

// The mount table of the descriptor's own process, as it is now: an inherited, open /proc/self/mountinfo, never that of
// another process (through a private one the machine's own file systems would be taken for the guest's). Not thread-safe.
class MountTable {
 public:
  // `mountinfo_fd` is lent. The kernel tells each change once to whoever polls the descriptor first, so nobody else may.
  explicit MountTable(int mountinfo_fd, BlockDeviceOf block_device_of = BlockDeviceAt);

  // Reads the table anew if anything was mounted or unmounted since. The list is good until the next call; a failure
  // leaves it as it was and is tried again then.
  Result<const MountList*> Current();
  // The same, read anew in any case: the kernel says nothing when a directory above a mount point gets another name.
  Result<const MountList*> Fresh();
  // Grows whenever Current has read the table anew.
  uint64_t generation() const { return generation_; }

 private:
  Status Read();
  bool HasChanged() const;

  int mountinfo_fd_;
  BlockDeviceOf block_device_of_;
  bool is_current_ = false;
  uint64_t generation_ = 0;
  MountList list_;
};

// More than the kernel's own limit of mounts (sysctl fs.mount-max, 100,000) comes to.
inline constexpr size_t kMaxMountinfoBytes = 24u << 20;

}  // namespace reeve::storage
