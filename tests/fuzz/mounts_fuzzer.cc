#include <sys/sysmacros.h>

#include <cstdint>
#include <string>

#include "base/check.h"
#include "storage/mounts.h"

// Any bytes as a mount table. A file system is listed once, by one of its mounts, and every mount is listed or left out.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace reeve::storage;
  const auto mounts = ParseMounts(std::string(reinterpret_cast<const char*>(data), size));
  if (!mounts) return 0;
  const MountList list = ListFileSystems(*mounts, [](const std::string&) { return makedev(8, 1); });
  REEVE_CHECK(list.file_systems.size() + list.left_out.size() == mounts->size());
  for (size_t i = 0; i < list.file_systems.size(); ++i)
    for (size_t j = 0; j < i; ++j) REEVE_CHECK(list.file_systems[i].mount.device != list.file_systems[j].mount.device);
  return 0;
}
