#include "plugins/inventory/sysfs.h"

#include <dirent.h>

#include <memory>

#include "base/sys.h"
#include "plugins/inventory/text_table.h"

namespace reeve::inventory {
namespace {

// sysfs gives at most a page.
constexpr size_t kMaxAttributeBytes = 64 << 10;

}  // namespace

Result<std::string> ReadAttribute(const std::string& path) {
  std::string text = REEVE_TRY(sys::ReadFile(path, kMaxAttributeBytes));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Result<std::vector<std::string>> ListDirectory(const std::string& path, const std::string& deed) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return FailErrno(deed);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

std::optional<uint64_t> NumberBehind(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  return NumberOf<uint64_t>(name.substr(prefix.size()));
}

}  // namespace reeve::inventory
