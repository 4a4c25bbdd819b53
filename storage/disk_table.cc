#include "storage/disk_table.h"

#include <sys/stat.h>

#include <utility>

namespace reeve::storage {

DiskTable::DiskTable(Sysfs sysfs, const DeviceDatabase& database, std::string udev_queue)
    : sysfs_(std::move(sysfs)), database_(database), udev_queue_(std::move(udev_queue)) {}

const DiskMap& DiskTable::Current(uint64_t now_ms) {
  auto event_number = sysfs_.Read("/kernel/uevent_seqnum");
  if (!event_number || event_number != event_number_) {
    event_number_ = std::move(event_number);
    event_seen_ms_ = now_ms;
    is_complete_ = false;
  }
  if (is_complete_) return map_;
  const bool is_settled = IsSettled(now_ms);
  map_ = DiskMap::Read(sysfs_, database_);
  ++generation_;
  is_complete_ = is_settled;
  return map_;
}

bool DiskTable::IsSettled(uint64_t now_ms) const {
  struct stat status{};
  const bool is_udev_busy = stat(udev_queue_.c_str(), &status) == 0;
  return event_number_.has_value() && now_ms - event_seen_ms_ >= kSettleMs && !is_udev_busy;
}

}  // namespace reeve::storage
