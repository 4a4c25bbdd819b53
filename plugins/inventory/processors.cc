#include "plugins/inventory/processors.h"

#include "plugins/inventory/sysfs.h"

namespace reeve::inventory {

using inventory_manifest::GuestLogicalProcessor;

Result<std::vector<GuestLogicalProcessor>> ProcessorsIn(const std::string& directory) {
  std::vector<GuestLogicalProcessor> processors;
  for (const std::string& name : REEVE_TRY(ListDirectory(directory, "failed to list entries: " + directory))) {
    const auto number = NumberBehind("cpu", name);
    if (!number) continue;
    const Result<std::string> online = ReadAttribute(directory + "/" + name + "/online");
    if (!online && online.error().code() != Code::kNotFound) return Fail(online.error());
    processors.push_back({.online = !online || !online->starts_with('0'),
                          .can_offline = online.has_value(),
                          .logical_id = static_cast<int64_t>(*number)});
  }
  return processors;
}

}  // namespace reeve::inventory
