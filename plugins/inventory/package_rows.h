#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inventory_commands.hpp"

// What the package managers say is installed. Their texts are not trusted.

namespace reeve::inventory {

using PackageRows = std::vector<inventory_manifest::InventoryPackage>;

// More than any distribution has in all, and as many as fit into a worker.
inline constexpr size_t kMaxPackages = 60'000;
// What no package manager would have written is left out: longer than this, or not printable.
inline constexpr size_t kMaxPackageWordBytes = 256;

// False for a row of which some member is not a word that a package manager could have written.
bool IsPlausible(const inventory_manifest::InventoryPackage& package);

// By name, then architecture, then version: the order of all replies.
void SortPackages(PackageRows& rows);

// Those whose names begin with `prefix`. REQUIRES: SortPackages.
std::span<const inventory_manifest::InventoryPackage> WithPrefix(const PackageRows& rows, std::string_view prefix);

// Reads dpkg's status file as it comes. What is not installed (only its configuration files are left, its
// installation has failed) is left out. Not thread-safe.
class DpkgStatusReader {
 public:
  // The next piece of the file, of any length. Fails with kTooLarge above kMaxPackages; after that only destruction is
  // allowed.
  Status Feed(std::string_view piece);
  // The end of the file. In the file's order. REQUIRES: nothing is fed afterwards.
  Result<PackageRows> Finish();

 private:
  void TakeLine();
  Status EndParagraph();

  PackageRows rows_;
  inventory_manifest::InventoryPackage package_;
  bool is_installed_ = false;
  std::string line_;  // at most kMaxLineBytes of it
};

// What `rpm -qa --queryformat` printed: lines of name, version and architecture between tabs. Rows without an architecture
// are keys, no packages. Fails with kTooLarge above kMaxPackages, with kBadMessage when it is text without any such line.
Result<PackageRows> RpmRowsIn(std::string_view output);

}  // namespace reeve::inventory
