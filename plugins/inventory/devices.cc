#include "plugins/inventory/devices.h"

#include <algorithm>

#include "plugins/inventory/sysfs.h"
#include "plugins/inventory/text_table.h"

namespace reeve::inventory {
namespace {

using inventory_manifest::GuestDeviceId;
using inventory_manifest::GuestDeviceInfo;
using inventory_manifest::GuestDeviceType;

// A device of the driver model: where it stands, and the driver that it has.
struct Driven {
  std::string path;
  std::string driver;
};

std::optional<Driven> DriverOf(const std::string& path) {
  const Result<std::string> facts = ReadAttribute(path + "/uevent");
  if (!facts) return std::nullopt;
  for (const std::string_view line : Lines(*facts)) {
    if (line.starts_with("DRIVER=")) return Driven{path, std::string(line.substr(sizeof "DRIVER=" - 1))};
  }
  return std::nullopt;
}

// What a virtio device's transport carries, when a driver has taken that.
std::optional<Driven> VirtioDriverBelow(const std::string& path) {
  const Result<std::vector<std::string>> names = ListDirectory(path, path);
  if (!names) return std::nullopt;
  for (const std::string& name : *names) {
    if (NumberBehind("virtio", name)) return DriverOf(path + "/" + name);
  }
  return std::nullopt;
}

std::optional<int64_t> IdentityOf(const std::string& path) {
  const Result<std::string> text = ReadAttribute(path);
  if (!text || !text->starts_with("0x")) return std::nullopt;
  return NumberOf<uint16_t>(std::string_view(*text).substr(2), 16);
}

std::optional<GuestDeviceInfo> DeviceAt(const std::string& path, const std::string& kernel_release) {
  std::optional<Driven> driven = DriverOf(path);
  if (!driven) return std::nullopt;
  if (driven->driver == "virtio-pci") {
    if (auto carried = VirtioDriverBelow(path)) driven = std::move(carried);
  }
  GuestDeviceInfo device;
  device.driver_name = driven->driver;
  device.driver_version = ReadAttribute(driven->path + "/driver/module/version").value_or(kernel_release);
  const auto vendor_id = IdentityOf(path + "/vendor");
  const auto device_id = IdentityOf(path + "/device");
  if (vendor_id && device_id) device.id = GuestDeviceId{*device_id, *vendor_id, GuestDeviceType::kPci};
  return device;
}

}  // namespace

std::vector<GuestDeviceInfo> DevicesIn(const std::string& directory, const std::string& kernel_release) {
  std::vector<GuestDeviceInfo> devices;
  Result<std::vector<std::string>> names = ListDirectory(directory, directory);
  if (!names) return devices;  // a machine without PCI
  std::ranges::sort(*names);
  for (const std::string& name : *names) {
    if (auto device = DeviceAt(directory + "/" + name, kernel_release)) devices.push_back(std::move(*device));
  }
  return devices;
}

}  // namespace reeve::inventory
