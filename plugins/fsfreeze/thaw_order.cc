#include "plugins/fsfreeze/thaw_order.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string_view>

#include "base/sys.h"

namespace reeve::fsfreeze {

namespace {

using storage::Device;
using storage::FileSystem;
using storage::MountList;

// Nobody stacks deeper; sysfs has no circles, but this does not rely on it.
constexpr int kMaxDepth = 16;
constexpr size_t kMaxAttributeBytes = 8192;

bool IsAt(std::string_view path, std::string_view mountpoint) {
  if (mountpoint == "/") return true;
  return path.starts_with(mountpoint) && (path.size() == mountpoint.size() || path[mountpoint.size()] == '/');
}

// The file system that `path` leads to, by the mount that stands closest above it; of two, the later.
std::optional<size_t> FileSystemOf(std::string_view path, const MountList& mounts) {
  std::optional<size_t> found;
  size_t longest = 0;
  const auto consider = [&](const storage::Mount& mount) {
    if (!IsAt(path, mount.mountpoint) || mount.mountpoint.size() < longest) return;
    longest = mount.mountpoint.size();
    const auto of = std::ranges::find_if(mounts.file_systems,
                                         [&](const FileSystem& each) { return each.mount.device == mount.device; });
    found = of == mounts.file_systems.end() ? std::nullopt : std::optional<size_t>(of - mounts.file_systems.begin());
  };
  for (const FileSystem& each : mounts.file_systems) consider(each.mount);
  for (const storage::LeftOutMount& each : mounts.left_out)
    if (each.reason != storage::LeftOut::kCovered) consider(each.mount);
  return found;
}

Target TargetOf(const FileSystem& file_system) {
  const storage::Mount& mount = file_system.mount;
  return {{major(mount.device), minor(mount.device)}, mount.mountpoint, mount.type};
}

// Depth first: before each what it stands on.
class Ordering {
 public:
  Ordering(const MountList& mounts, const BackingFilesOf& backing_files_of)
      : mounts_(mounts), backing_files_of_(backing_files_of), is_placed_(mounts.file_systems.size()) {
    for (const FileSystem& each : mounts.file_systems) targets_.push_back(TargetOf(each));
  }

  std::vector<Target> Run() {
    for (size_t i = 0; i < targets_.size(); ++i) Place(i);
    std::vector<Target> ordered;
    for (const size_t index : order_) ordered.push_back(std::move(targets_[index]));
    return ordered;
  }

 private:
  void Place(size_t index) {
    if (is_placed_[index]) return;
    is_placed_[index] = true;
    std::vector<Device>& stands_on = targets_[index].stands_on;
    for (const std::string& file : backing_files_of_(mounts_.file_systems[index].device)) {
      const auto below = FileSystemOf(file, mounts_);
      if (!below || *below == index) continue;
      Place(*below);
      stands_on.push_back(targets_[*below].device);
      std::ranges::copy(targets_[*below].stands_on, std::back_inserter(stands_on));
    }
    order_.push_back(index);
  }

  const MountList& mounts_;
  const BackingFilesOf& backing_files_of_;
  std::vector<bool> is_placed_;
  std::vector<Target> targets_;  // as in the list
  std::vector<size_t> order_;
};

// ---- sysfs

std::optional<std::string> Attribute(const std::string& path) {
  Result<std::string> text = sys::ReadFile(path, kMaxAttributeBytes);
  if (!text) return std::nullopt;
  if (text->ends_with('\n')) text->pop_back();
  return *text;
}

void CollectFiles(const std::string& number, int depth, std::vector<std::string>& files) {
  if (depth > kMaxDepth || number.empty() || number.find('/') != std::string::npos) return;
  const std::string directory = "/sys/dev/block/" + number;
  if (auto file = Attribute(directory + "/loop/backing_file")) files.push_back(std::move(*file));
  if (Attribute(directory + "/partition"))
    CollectFiles(Attribute(directory + "/../dev").value_or(""), depth + 1, files);
  std::error_code error;
  for (const auto& slave : std::filesystem::directory_iterator(directory + "/slaves", error))
    CollectFiles(Attribute(slave.path().string() + "/dev").value_or(""), depth + 1, files);
}

}  // namespace

std::vector<Target> InThawOrder(const MountList& mounts, const BackingFilesOf& backing_files_of) {
  return Ordering(mounts, backing_files_of).Run();
}

std::vector<std::string> BackingFilesInSysfs(dev_t block_device) {
  std::vector<std::string> files;
  if (block_device != 0)
    CollectFiles(std::to_string(major(block_device)) + ":" + std::to_string(minor(block_device)), 0, files);
  return files;
}

}  // namespace reeve::fsfreeze
