#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "inventory_commands.hpp"
#include "plugins/inventory/granted_path.h"

namespace reeve::inventory {

class LocalTimeZone {
 public:
  // `on_outdated` is called at each answer while a file stands there that came after this process.
  explicit LocalTimeZone(std::function<void()> on_outdated) : on_outdated_(std::move(on_outdated)) {}
  // Of /etc/localtime as it is now, for this moment; UTC where there is none. Of one that came after this process and cannot
  // be read the zone before it; else one that cannot be read is an error.
  Result<inventory_manifest::GuestTimezone> Now();

 private:
  Status Load();

  std::function<void()> on_outdated_;
  GrantedPath file_{"/etc/localtime"};
  bool is_loaded_ = false;
};

// Since the epoch, in nanoseconds, which end in 000 as qemu-ga's do.
int64_t TimeNow();

}  // namespace reeve::inventory
