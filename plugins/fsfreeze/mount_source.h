#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/fsfreeze/target.h"
#include "plugins/fsfreeze/thaw_order.h"
#include "storage/mounts.h"

namespace reeve::fsfreeze {

// A mount that is not frozen, and why.
struct LeftOutReport {
  std::string mountpoint;
  std::string type;
  std::string reason;
};

struct Listing {
  std::vector<Target> targets;  // what others stand on before them
  std::vector<LeftOutReport> left_out;
};

// What there is to freeze and to trim, as it is now. Not thread-safe.
class MountSource {
 public:
  virtual ~MountSource() = default;
  virtual Result<Listing> List() = 0;
  // Those of List().targets that stand on a disk with one of these serial numbers. Fails with kNotFound when no disk has
  // one of them.
  virtual Result<std::vector<Target>> OnDisks(const std::vector<std::string>& serials) = 0;
};

class KernelMountSource final : public MountSource {
 public:
  // `mountinfo_fd` is lent.
  explicit KernelMountSource(int mountinfo_fd) : table_(mountinfo_fd) {}
  Result<Listing> List() override;
  Result<std::vector<Target>> OnDisks(const std::vector<std::string>& serials) override;

 private:
  storage::MountTable table_;
};

}  // namespace reeve::fsfreeze
