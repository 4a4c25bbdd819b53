#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "storage/freeze_list.h"

namespace reeve::fsfreeze {

// What FITRIM takes, and gives back in place: how many bytes were discarded, and the smallest run that was looked at.
struct TrimRange {
  uint64_t start = 0;
  uint64_t length_bytes = 0;
  uint64_t minimum_bytes = 0;
};

// The kernel's part of freezing and trimming, so that a test can play it. Each may wait for a disk for as long as the disk
// likes. Failures carry their errno. Thread-safe.
class FileSystems {
 public:
  virtual ~FileSystems() = default;
  // `device`, as mountinfo has it, is what must be mounted there: whoever owns a directory on the way may have put another
  // in its place, and what would be frozen then is not what stands in the list of frozen ones.
  virtual Result<UniqueFd> Open(const std::string& mountpoint, const storage::Device& device) = 0;
  virtual Status Freeze(int fd) = 0;
  virtual Status Thaw(int fd) = 0;
  virtual Result<TrimRange> Trim(int fd, TrimRange range) = 0;
  virtual Result<uint64_t> SizeBytes(int fd) = 0;
  // Whether a write to `file_fd` may have to wait while what `mount_fd` stands on is frozen.
  virtual Result<bool> HoldsUp(int mount_fd, int file_fd) = 0;
};

class KernelFileSystems final : public FileSystems {
 public:
  Result<UniqueFd> Open(const std::string& mountpoint, const storage::Device& device) override;
  Status Freeze(int fd) override;
  Status Thaw(int fd) override;
  Result<TrimRange> Trim(int fd, TrimRange range) override;
  Result<uint64_t> SizeBytes(int fd) override;
  Result<bool> HoldsUp(int mount_fd, int file_fd) override;
};

}  // namespace reeve::fsfreeze
