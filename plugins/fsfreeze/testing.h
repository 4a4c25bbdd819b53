#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/sys.h"
#include "plugins/fsfreeze/file_systems.h"
#include "plugins/fsfreeze/work_thread.h"

// A kernel with file systems for the plugin's unit tests. Nothing is frozen but numbers.

namespace reeve::fsfreeze::test {

// What is frozen is remembered by its path; what was done, in order.
class FakeFileSystems final : public FileSystems {
 public:
  Result<UniqueFd> Open(const std::string& mountpoint, const storage::Device&) override {
    log.push_back("open " + mountpoint);
    if (const auto failing = open_errors.find(mountpoint); failing != open_errors.end())
      return Fail(Error::System(failing->second, "open " + mountpoint));
    UniqueFd fd = *sys::Open("/dev/null", O_RDONLY);
    paths_[fd.get()] = mountpoint;
    return fd;
  }
  Status Freeze(int fd) override {
    const std::string& path = paths_.at(fd);
    log.push_back("freeze " + path);
    if (on_freeze) on_freeze(path);
    if (const auto failing = freeze_errors.find(path); failing != freeze_errors.end())
      return Fail(Error::System(failing->second, "freeze"));
    ++frozen[path];
    return {};
  }
  Status Thaw(int fd) override {
    const std::string& path = paths_.at(fd);
    if (thaw_error != 0) return Fail(Error::System(thaw_error, "thaw"));
    if (frozen[path] == 0) return Fail(Error::System(EINVAL, "thaw"));
    --frozen[path];
    log.push_back("thaw " + path);
    return {};
  }
  Result<TrimRange> Trim(int fd, TrimRange range) override {
    trims.emplace_back(paths_.at(fd), range);
    if (on_trim) on_trim();
    if (trim_error != 0) return Fail(Error::System(trim_error, "trim"));
    return TrimRange{range.start, 4096, std::max<uint64_t>(range.minimum_bytes, 512)};
  }
  Result<uint64_t> SizeBytes(int) override { return size_bytes; }
  Result<bool> HoldsUp(int mount_fd, int) override { return paths_.at(mount_fd) == list_stands_on; }

  size_t frozen_count() const {
    size_t count = 0;
    for (const auto& [path, times] : frozen) count += times > 0 ? 1 : 0;
    return count;
  }

  std::vector<std::string> log;
  std::map<std::string, int> open_errors, freeze_errors;  // errno by path
  int thaw_error = 0, trim_error = 0;
  std::function<void(const std::string&)> on_freeze;
  std::function<void()> on_trim;
  std::map<std::string, int> frozen;
  std::vector<std::pair<std::string, TrimRange>> trims;
  uint64_t size_bytes = 1 << 20;
  std::string list_stands_on;  // none: on a memory file system

 private:
  std::map<int, std::string> paths_;
};

// Work is done when the test says so, on its own thread.
class HeldWork final : public WorkQueue {
 public:
  void Do(Work work) override {
    if (is_immediate) return work();
    waiting.push_back(std::move(work));
    if (on_held) on_held();
  }
  void DoOne() {
    const Work work = std::move(waiting.front());
    waiting.erase(waiting.begin());
    work();
  }
  bool is_immediate = true;
  std::vector<Work> waiting;
  std::function<void()> on_held;
};

inline UniqueFd ListFile() {
  return UniqueFd(::memfd_create("list", MFD_CLOEXEC));
}

}  // namespace reeve::fsfreeze::test
