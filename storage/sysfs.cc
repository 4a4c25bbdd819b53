#include "storage/sysfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <memory>

#include "base/sys.h"

namespace reeve::storage {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

std::optional<std::string> Sysfs::Read(const std::string& path) const {
  Result<std::string> text = sys::ReadFile(root_ + path, kMaxAttributeBytes);
  if (!text) return std::nullopt;
  if (text->ends_with('\n')) text->pop_back();
  return *std::move(text);
}

std::vector<Sysfs::Entry> Sysfs::List(const std::string& directory) const {
  std::vector<Entry> entries;
  const std::unique_ptr<DIR, CloseDirectory> stream(opendir((root_ + directory).c_str()));
  if (stream == nullptr) return entries;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    entries.push_back({name, entry->d_type == DT_DIR, entry->d_type == DT_LNK});
  }
  return entries;
}

// Links of sysfs are relative and lead to the thing itself, so that text is enough.
std::optional<std::string> Sysfs::Follow(const std::string& link) const {
  char target[PATH_MAX];
  const ssize_t length = readlinkat(AT_FDCWD, (root_ + link).c_str(), target, sizeof target);
  if (length <= 0 || target[0] == '/') return std::nullopt;
  const std::filesystem::path directory = std::filesystem::path(link).parent_path();
  return (directory / std::string(target, static_cast<size_t>(length))).lexically_normal().string();
}

std::string LastComponent(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace reeve::storage
