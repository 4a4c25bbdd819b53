#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "inventory_commands.hpp"
#include "plugins/inventory/file_stamp.h"
#include "plugins/inventory/os_release.h"

// What kernel and distribution call themselves.

namespace reeve::inventory {

// Kernel, and the first os-release that is there: of /etc and /usr/lib, if nothing else is said.
class OsInfo {
 public:
  // Only this one. REQUIRES: before the first Json().
  void UseFile(std::string path) { places_ = {std::move(path)}; }
  // A GuestOSInfo as JSON, good until the next call; the file is read again when it has changed. Without one only the
  // kernel is known. One that cannot be read counts as unchanged: a sandbox lets in files and not their names, so what
  // replaced one is read by the next process only.
  std::string_view Json();

 private:
  struct File {
    const char* path = nullptr;  // of `places_`
    FileStamp stamp;
    friend bool operator==(const File& a, const File& b) { return a.path == b.path && a.stamp == b.stamp; }
  };
  std::optional<File> Look() const;

  std::vector<std::string> places_ = {"/etc/os-release", "/usr/lib/os-release"};
  std::optional<File> file_;  // what `json_` was made of
  std::string json_;
};

Result<inventory_manifest::GuestHostName> HostName();

}  // namespace reeve::inventory
