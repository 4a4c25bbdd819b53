#include "plugins/inventory/packages.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/sys.h"

namespace reeve::inventory {
namespace {

using inventory_manifest::InventoryPackageManager;

constexpr size_t kPieceBytes = 64 << 10;
// A hundred times what a full machine has.
constexpr size_t kMaxStatusBytes = 512u << 20;

Result<PackageRows> ReadDpkgStatus(const std::string& path) {
  const UniqueFd file = REEVE_TRY(sys::Open(path, O_RDONLY | O_CLOEXEC));
  DpkgStatusReader reader;
  std::vector<uint8_t> piece(kPieceBytes);
  for (size_t read_bytes = 0; read_bytes <= kMaxStatusBytes;) {
    const size_t count = REEVE_TRY(sys::Read(file.get(), piece));
    if (count == 0) return reader.Finish();
    REEVE_TRY(reader.Feed({reinterpret_cast<const char*>(piece.data()), count}));
    read_bytes += count;
  }
  return Fail(Code::kTooLarge, path + " is too large");
}

std::vector<std::optional<FileStamp>> StampsOf(const std::vector<std::string>& paths) {
  std::vector<std::optional<FileStamp>> stamps;
  for (const std::string& path : paths) {
    const Result<FileStamp> stamp = StampOf(path);
    stamps.push_back(stamp ? std::optional(*stamp) : std::nullopt);
  }
  return stamps;
}

bool IsAnyThere(const std::vector<std::optional<FileStamp>>& stamps) {
  return std::ranges::any_of(stamps, [](const auto& stamp) { return stamp.has_value(); });
}

}  // namespace

void Packages::List(uint64_t request_id, OnListed on_listed) {
  const Result<const PackageList*> list = DpkgList();
  const bool is_elsewhere = list ? (*list)->rows.empty() : list.error().code() == Code::kNotFound;
  if (!is_elsewhere) return on_listed(list);
  ListByRpm(request_id, on_listed);
}

// The stamp is older than what is read: a change meanwhile is seen by the next call.
Result<const PackageList*> Packages::DpkgList() {
  const FileStamp stamp = REEVE_TRY(StampOf(databases_.dpkg_status.c_str()));
  if (dpkg_ && dpkg_->stamps == Stamps{stamp}) return &dpkg_->list;
  PackageRows rows = REEVE_TRY(ReadDpkgStatus(databases_.dpkg_status));
  SortPackages(rows);
  dpkg_ = Kept{{stamp}, {InventoryPackageManager::kDpkg, std::move(rows)}};
  return &dpkg_->list;
}

void Packages::ListByRpm(uint64_t request_id, const OnListed& on_listed) {
  const Stamps stamps = StampsOf(databases_.rpm);
  if (rpm_ && IsAnyThere(stamps) && rpm_->stamps == stamps) return on_listed(&rpm_->list);
  const auto take = [this, stamps, on_listed](const ProgramOutput& output) {
    if (output.is_missing && dpkg_) return on_listed(&dpkg_->list);
    if (output.is_missing) {
      return on_listed(Fail(Code::kUnsupported, "this machine has neither dpkg's list of packages nor rpm"));
    }
    if (!output.text) return on_listed(Fail(output.text.error()));
    Result<PackageRows> rows = RpmRowsIn(*output.text);
    if (!rows) return on_listed(Fail(rows.error()));
    SortPackages(*rows);
    rpm_ = Kept{stamps, {InventoryPackageManager::kRpm, *std::move(rows)}};
    on_listed(&rpm_->list);
  };
  programs_.Read(request_id, {"rpm", "-qa", "--queryformat", R"(%{NAME}\t%{EVR}\t%{ARCH}\n)"}, take);
}

}  // namespace reeve::inventory
