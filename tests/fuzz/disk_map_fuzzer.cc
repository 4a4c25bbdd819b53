#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include "base/check.h"
#include "storage/disk_address.h"
#include "storage/disks.h"

// A tree of devices as its bytes say: lines `PATH=TEXT` are attributes, `PATH>PATH` links. Disks come from it with any bytes in
// their attributes and paths, and nothing that lies below them in the end is made of something else.

namespace {

using namespace reeve::storage;

constexpr size_t kMaxLines = 24;

class FilesDatabase : public DeviceDatabase {
 public:
  std::optional<DeviceFacts> Find(dev_t) const override { return std::nullopt; }
};

bool IsInside(const std::string& path) {
  return path.starts_with('/') && path.size() < 256 && path.find("..") == std::string::npos &&
         path.find('\0') == std::string::npos;
}

void Make(const std::string& root, std::string_view line) {
  std::error_code ignored;
  const size_t mark = line.find_first_of("=>");
  if (mark == std::string_view::npos) return;
  const std::string path(line.substr(0, mark));
  const std::string text(line.substr(mark + 1));
  if (!IsInside(path)) return;
  std::filesystem::create_directories(std::filesystem::path(root + path).parent_path(), ignored);
  if (line[mark] == '=') {
    if (!std::filesystem::is_symlink(root + path, ignored)) std::ofstream(root + path) << text;
  } else if (text.find('\0') == std::string::npos && !text.starts_with('/')) {
    std::filesystem::create_symlink(text, root + path, ignored);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const Sysfs nowhere("/nonexistent");
  static_cast<void>(AddressOf(nowhere, std::string(text)));
  char name[] = "/tmp/reeve-disk-fuzz-XXXXXX";
  const std::string root = ::mkdtemp(name);
  for (size_t i = 0; i < kMaxLines && !text.empty(); ++i) {
    const size_t end = std::min(text.find('\n'), text.size());
    Make(root, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const DiskMap map = DiskMap::Read(Sysfs(root), FilesDatabase());
  for (const BlockDevice& device : map.devices())
    for (const BlockDevice* bottom : map.Bottom(device)) REEVE_CHECK(!bottom->is_virtual);
  std::error_code ignored;
  std::filesystem::remove_all(root, ignored);
  return 0;
}
