#include "plugins/inventory/system_names.h"

#include <sys/utsname.h>

#include "reeve/typed.hpp"

namespace reeve::inventory {
namespace {

std::optional<std::string> Find(const OsRelease& release, std::string_view key) {
  const auto found = release.find(key);
  return found == release.end() ? std::nullopt : std::optional(found->second);
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

}  // namespace

std::optional<OsInfo::File> OsInfo::Look() const {
  for (const GrantedPath& place : places_) {
    if (const Result<FileStamp> stamp = place.Stamp()) return File{&place, *stamp};
  }
  return std::nullopt;
}

std::string_view OsInfo::Json() {
  const std::optional<File> file = Look();
  if (file && file->place->IsLater(file->stamp)) on_outdated_();
  if (!json_.empty() && file == file_) return json_;
  OsRelease release;
  if (file) {
    const Result<std::string> text = file->place->ReadFile(kMaxOsReleaseBytes);
    const bool is_refused = !text && text.error().code() == Code::kDenied;
    if (is_refused && !json_.empty()) return json_;
    if (text) release = ParseOsRelease(*text);
  }
  plugin::JsonWriter json;
  plugin::WriteValue(json, OsInfoOf(release));
  json_ = json.text();
  file_ = file;
  return json_;
}

Result<inventory_manifest::GuestHostName> HostName() {
  utsname machine{};
  if (::uname(&machine) != 0) return FailErrno("failed to get hostname");
  return inventory_manifest::GuestHostName{machine.nodename};
}

}  // namespace reeve::inventory
