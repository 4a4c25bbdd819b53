#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/inventory/file_stamp.h"
#include "plugins/inventory/package_rows.h"
#include "plugins/inventory/program_output.h"

namespace reeve::inventory {

// Where the package managers keep their lists. The first is read; of the others only their state is looked at, which
// takes no right, to see whether what rpm said still holds.
struct PackageDatabases {
  std::string dpkg_status = "/var/lib/dpkg/status";
  std::vector<std::string> rpm = {"/var/lib/rpm/rpmdb.sqlite",          "/var/lib/rpm/rpmdb.sqlite-wal",
                                  "/var/lib/rpm/Packages.db",           "/var/lib/rpm/Packages",
                                  "/usr/lib/sysimage/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
                                  "/usr/lib/sysimage/rpm/Packages.db",  "/usr/lib/sysimage/rpm/Packages"};
};

struct PackageList {
  inventory_manifest::InventoryPackageManager manager = {};
  PackageRows rows;  // sorted
};

// What is installed, kept for as long as the database stays as it is. Not thread-safe.
class Packages {
 public:
  // The list is good during the call.
  using OnListed = std::function<void(const Result<const PackageList*>&)>;

  // `programs` is lent.
  explicit Packages(ProgramReader& programs, PackageDatabases databases = {})
      : programs_(programs), databases_(std::move(databases)) {}

  // dpkg's list by its file; where it has none, or an empty one, what rpm says. `on_listed` is called once, perhaps before
  // this returns. Fails with kUnsupported where there is neither.
  void List(uint64_t request_id, OnListed on_listed);

 private:
  using Stamps = std::vector<std::optional<FileStamp>>;
  struct Kept {
    Stamps stamps;
    PackageList list;
  };
  Result<const PackageList*> DpkgList();
  void ListByRpm(uint64_t request_id, const OnListed& on_listed);

  ProgramReader& programs_;
  PackageDatabases databases_;
  std::optional<Kept> dpkg_;
  std::optional<Kept> rpm_;
};

}  // namespace reeve::inventory
