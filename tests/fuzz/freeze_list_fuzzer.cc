#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "storage/freeze_list.h"

// Any bytes are a list; what one names can be written as a new list, and is then read as the same, undamaged.

namespace {

using reeve::storage::FreezeEntry;
using reeve::storage::FreezeList;
using reeve::storage::FreezeListFile;
using reeve::storage::FreezeListState;

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const FreezeList list = reeve::storage::ParseFreezeList({reinterpret_cast<const char*>(data), size});
  Require(!list.is_damaged || list.entries.empty() || list.state == FreezeListState::kFreezing);
  static_cast<void>(reeve::storage::TimeLeftAt(list, reeve::storage::MonotonicNow()));
  static const int fd = ::memfd_create("freeze-list", MFD_CLOEXEC);
  FreezeListFile file(fd);
  Require(file.Begin(list.time_left).has_value());
  for (const FreezeEntry& entry : list.entries) {
    Require(entry.mount_point.starts_with('/'));
    if (!file.Add(entry)) return 0;  // more than fits
  }
  const auto again = file.Read();
  Require(again && !again->is_damaged && again->entries == list.entries && again->time_left == list.time_left);
  return 0;
}
