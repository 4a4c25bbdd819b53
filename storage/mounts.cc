#include "storage/mounts.h"

#include <libmount/libmount.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "base/sys.h"

namespace reeve::storage {
namespace {

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* thing) const {
    kFree(thing);
  }
};
using File = std::unique_ptr<FILE, Freed<fclose>>;
using Table = std::unique_ptr<libmnt_table, Freed<mnt_unref_table>>;
using Iterator = std::unique_ptr<libmnt_iter, Freed<mnt_free_iter>>;

std::string TextOf(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

Mount MountOf(libmnt_fs* line) {
  return {.id = mnt_fs_get_id(line),
          .parent_id = mnt_fs_get_parent_id(line),
          .device = mnt_fs_get_devno(line),
          .root = TextOf(mnt_fs_get_root(line)),
          .mountpoint = TextOf(mnt_fs_get_target(line)),
          .type = TextOf(mnt_fs_get_fstype(line)),
          .source = TextOf(mnt_fs_get_source(line))};
}

// libmount calls its parser's line counter; a line that it cannot read ends all, since half a table is none.
int RefuseLine(libmnt_table* /*table*/, const char* /*file*/, int /*line*/) {
  return -1;
}

// Which mounts a path leads to.
class Tree {
 public:
  explicit Tree(const std::vector<Mount>& mounts) {
    for (const Mount& mount : mounts) ids_.insert(mount.id);
    for (const Mount& mount : mounts) on_[{KnownParent(mount), mount.mountpoint}] = mount.id;
  }

  bool IsCovered(const Mount& mount) const {
    int at = Above(kOutside, "/");
    const std::string& path = mount.mountpoint;
    for (size_t end = path.find('/', 1); path.size() > 1; end = path.find('/', end + 1)) {
      at = Above(at, path.substr(0, end));
      if (end == std::string::npos) break;
    }
    return at != mount.id;
  }

 private:
  // The parent of what is mounted on a directory that is itself in no mount of the table.
  static constexpr int kOutside = -1;

  int KnownParent(const Mount& mount) const {
    return mount.id != mount.parent_id && ids_.contains(mount.parent_id) ? mount.parent_id : kOutside;
  }
  // The uppermost of what is mounted on `path` within the mount `at`.
  int Above(int at, const std::string& path) const {
    for (size_t steps = 0; steps <= ids_.size(); ++steps) {
      const auto next = on_.find({at, path});
      if (next == on_.end()) break;
      at = next->second;
    }
    return at;
  }

  std::unordered_set<int> ids_;
  std::map<std::pair<int, std::string>, int> on_;
};

LeftOut ReasonOfType(const std::string& type) {
  if (type == "zfs") return LeftOut::kZfs;
  if (type == "overlay" || type == "aufs") return LeftOut::kOverlay;
  const bool is_pseudo = mnt_fstype_is_pseudofs(type.c_str()) != 0;
  // All that begins with nfs is one to libmount; nfsd is the server's.
  if (mnt_fstype_is_netfs(type.c_str()) != 0 && !is_pseudo) return LeftOut::kNetwork;
  for (const char* share : {"9p", "virtiofs", "ceph", "vboxsf", "fuse.sshfs"}) {
    if (type == share) return LeftOut::kNetwork;
  }
  if (type == "fuse" || type.starts_with("fuse.")) return LeftOut::kFuse;
  return is_pseudo ? LeftOut::kPseudo : LeftOut::kNoDevice;
}

bool IsOnBlockDevice(const Mount& mount) {
  return major(mount.device) != 0 || (mount.type == "btrfs" && mount.source.starts_with("/"));
}

Result<std::string> ReadAnew(int fd) {
  if (lseek(fd, 0, SEEK_SET) < 0) return FailErrno("rewind mountinfo");
  return sys::ReadToEnd(fd, kMaxMountinfoBytes);
}

}  // namespace

Result<std::vector<Mount>> ParseMounts(const std::string& mountinfo) {
  std::vector<Mount> mounts;
  if (mountinfo.empty()) return mounts;  // fmemopen takes nothing empty
  const File text(fmemopen(const_cast<char*>(mountinfo.data()), mountinfo.size(), "r"));
  const Table table(mnt_new_table());
  const Iterator iterator(mnt_new_iter(MNT_ITER_FORWARD));
  if (text == nullptr || table == nullptr || iterator == nullptr) return FailErrno("read mountinfo");
  mnt_table_set_parser_errcb(table.get(), RefuseLine);
  if (mnt_table_parse_stream(table.get(), text.get(), "/proc/self/mountinfo") != 0) {
    return Fail(Code::kBadMessage, "libmount cannot read mountinfo");
  }
  libmnt_fs* line = nullptr;
  while (mnt_table_next_fs(table.get(), iterator.get(), &line) == 0) mounts.push_back(MountOf(line));
  return mounts;
}

const char* NameOf(LeftOut reason) {
  static constexpr std::array kNames = {"pseudo", "network",   "fuse",        "overlay",
                                        "zfs",    "no-device", "same-device", "covered"};
  return kNames[static_cast<size_t>(reason)];
}

std::optional<dev_t> BlockDeviceAt(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0 || !S_ISBLK(status.st_mode)) return std::nullopt;
  return status.st_rdev;
}

MountList ListFileSystems(const std::vector<Mount>& mounts, const BlockDeviceOf& block_device_of) {
  const Tree tree(mounts);
  MountList list;
  // All mounts of one file system have one device number, subvolumes of btrfs too.
  std::unordered_set<dev_t> listed;
  for (const Mount& mount : mounts) {
    if (!IsOnBlockDevice(mount)) {
      list.left_out.push_back({mount, ReasonOfType(mount.type)});
    } else if (tree.IsCovered(mount)) {
      list.left_out.push_back({mount, LeftOut::kCovered});
    } else if (!listed.insert(mount.device).second) {
      list.left_out.push_back({mount, LeftOut::kSameDevice});
    } else {
      const bool has_number = major(mount.device) != 0;
      list.file_systems.push_back({mount, has_number ? mount.device : block_device_of(mount.source).value_or(0)});
    }
  }
  return list;
}

MountTable::MountTable(int mountinfo_fd, BlockDeviceOf block_device_of)
    : mountinfo_fd_(mountinfo_fd), block_device_of_(std::move(block_device_of)) {}

Result<const MountList*> MountTable::Current() {
  // Asked first, and in any case: a change between here and the end of reading is told at the next call.
  const bool has_changed = HasChanged();
  if (has_changed || !is_current_) {
    is_current_ = false;
    REEVE_TRY(Read());
    is_current_ = true;
  }
  return &list_;
}

Result<const MountList*> MountTable::Fresh() {
  is_current_ = false;
  return Current();
}

// proc(5): a change of the table is an error condition and priority data, once.
bool MountTable::HasChanged() const {
  pollfd mountinfo{.fd = mountinfo_fd_, .events = POLLPRI, .revents = 0};
  return poll(&mountinfo, 1, 0) != 0;
}

Status MountTable::Read() {
  const std::string text = REEVE_TRY(ReadAnew(mountinfo_fd_));
  const std::vector<Mount> mounts = REEVE_TRY(ParseMounts(text));
  list_ = ListFileSystems(mounts, block_device_of_);
  ++generation_;
  return {};
}

}  // namespace reeve::storage
