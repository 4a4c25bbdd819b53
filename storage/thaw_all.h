#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "storage/freeze_list.h"

// Thawing what a list names, and nothing else: by whoever finds it after the worker that wrote it.

namespace reeve::storage {

// The kernel's part, so that a test can play it.
class ThawCalls {
 public:
  virtual ~ThawCalls() = default;
  virtual Result<std::string> Mountinfo() = 0;  // the text of /proc/self/mountinfo
  virtual Result<UniqueFd> OpenMountPoint(const std::string& path) = 0;
  virtual Result<Device> DeviceOf(int fd) = 0;  // as stat(2) has it
  virtual Status Thaw(int fd) = 0;              // FITHAW; EINVAL: it is not frozen
};

class KernelThawCalls final : public ThawCalls {
 public:
  // `mountinfo_fd` is lent: this process's own mountinfo, perhaps inherited.
  explicit KernelThawCalls(int mountinfo_fd) : mountinfo_fd_(mountinfo_fd) {}
  Result<std::string> Mountinfo() override;
  Result<UniqueFd> OpenMountPoint(const std::string& path) override;
  Result<Device> DeviceOf(int fd) override;
  Status Thaw(int fd) override;

 private:
  int mountinfo_fd_;
};

struct ThawReport {
  std::vector<std::string> thawed;    // mount points of file systems that were frozen and are not any more
  std::vector<std::string> failures;  // a line each: file systems of which nobody knows whether they still are frozen
};

// Thaws each as often as it was frozen, the last one first: what stands on another file system before that one. One whose
// mount point is covered or gone is thawed by any other mount of its device that can be reached. A path at which something
// else is mounted now is left alone. May wait for a disk. Does not write the list.
ThawReport ThawAll(std::span<const FreezeEntry> entries, ThawCalls& calls);

}  // namespace reeve::storage
