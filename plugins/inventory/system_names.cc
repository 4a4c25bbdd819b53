#include "plugins/inventory/system_names.h"

#include <sys/utsname.h>

#include "base/sys.h"

namespace reeve::inventory {
namespace {

constexpr const char* kPlaces[] = {"/etc/os-release", "/usr/lib/os-release"};

std::optional<std::string> Find(const OsRelease& release, std::string_view key) {
  const auto found = release.find(key);
  return found == release.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

const OsRelease& OsReleaseFile::Read() {
  for (const char* path : kPlaces) {
    const Result<FileStamp> stamp = StampOf(path);
    if (!stamp) continue;
    if (stamp_ == *stamp) return values_;
    const Result<std::string> text = sys::ReadFile(path, kMaxOsReleaseBytes);
    if (!text) continue;
    stamp_ = *stamp;
    values_ = ParseOsRelease(*text);
    return values_;
  }
  return values_;
}

inventory_manifest::GuestOSInfo OsInfoOf(const OsRelease& release) {
  inventory_manifest::GuestOSInfo info;
  utsname kernel{};
  if (::uname(&kernel) == 0) {
    info.kernel_release = kernel.release;
    info.kernel_version = kernel.version;
    info.machine = kernel.machine;
  }
  info.id = Find(release, "ID");
  info.name = Find(release, "NAME");
  info.pretty_name = Find(release, "PRETTY_NAME");
  info.version = Find(release, "VERSION");
  info.version_id = Find(release, "VERSION_ID");
  info.variant = Find(release, "VARIANT");
  info.variant_id = Find(release, "VARIANT_ID");
  return info;
}

Result<inventory_manifest::GuestHostName> HostName() {
  utsname machine{};
  if (::uname(&machine) != 0) return FailErrno("failed to get hostname");
  return inventory_manifest::GuestHostName{machine.nodename};
}

}  // namespace reeve::inventory
