#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "inventory_commands.hpp"
#include "plugins/inventory/file_stamp.h"
#include "plugins/inventory/granted_path.h"
#include "plugins/inventory/os_release.h"

// What kernel and distribution call themselves.

namespace reeve::inventory {

// Kernel, and the first os-release that is there: of /etc and /usr/lib, if nothing else is said.
class OsInfo {
 public:
  // `on_outdated` is called at each answer while an os-release stands there that came after this process.
  explicit OsInfo(std::function<void()> on_outdated) : on_outdated_(std::move(on_outdated)) {}
  // Only this one. REQUIRES: before the first Json().
  void UseFile(const std::string& path) { places_ = {GrantedPath(path)}; }
  // A GuestOSInfo as JSON, good until the next call; the file is read again when it has changed. Without one, and
  // with one that is no file or above kMaxOsReleaseBytes, only the kernel is known. Of one that is refused the last that
  // was not is told.
  std::string_view Json();

 private:
  struct File {
    const GrantedPath* place = nullptr;  // of `places_`
    FileStamp stamp;
    friend bool operator==(const File& a, const File& b) { return a.place == b.place && a.stamp == b.stamp; }
  };
  std::optional<File> Look() const;

  std::function<void()> on_outdated_;
  std::vector<GrantedPath> places_ = {GrantedPath("/etc/os-release"), GrantedPath("/usr/lib/os-release")};
  std::optional<File> file_;  // what `json_` was made of
  std::string json_;
};

Result<inventory_manifest::GuestHostName> HostName();

}  // namespace reeve::inventory
