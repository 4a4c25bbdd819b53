#include "storage/disk_address.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

namespace reeve::storage {
namespace {

enum class Controller : uint8_t { kPataPiix, kSym53c8xx, kVirtio, kAhci, kNvme, kUsb };
constexpr std::pair<std::string_view, Controller> kControllers[] = {
    {"ata_piix", Controller::kPataPiix}, {"sym53c8xx", Controller::kSym53c8xx}, {"virtio-pci", Controller::kVirtio},
    {"ahci", Controller::kAhci},         {"nvme", Controller::kNvme},           {"xhci_hcd", Controller::kUsb},
    {"ehci-pci", Controller::kUsb}};

std::vector<std::string> Components(const std::string& path) {
  std::vector<std::string> components;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) components.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return components;
}

std::optional<PciAddress> ParsePci(const std::string& component) {
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned slot = 0;
  unsigned function = 0;
  int length = 0;
  if (std::sscanf(component.c_str(), "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &length) != 4) return {};
  if (static_cast<size_t>(length) != component.size()) return {};
  return PciAddress{domain, bus, slot, function};
}

std::optional<CcwAddress> ParseCcw(const std::string& subchannel, const std::string& device) {
  unsigned cssid = 0;
  unsigned ssid = 0;
  unsigned number = 0;
  unsigned device_number = 0;
  if (std::sscanf(subchannel.c_str(), "%x.%x.%x", &cssid, &ssid, &number) != 3) return {};
  if (std::sscanf(device.c_str(), "%*x.%*x.%x", &device_number) != 1) return {};
  return CcwAddress{cssid, ssid, number, device_number};
}

// A SCSI device's "HOST:CHANNEL:TARGET:LUN".
struct ScsiPlace {
  unsigned channel = 0;
  unsigned target = 0;
  unsigned lun = 0;
};
std::optional<ScsiPlace> FindScsiPlace(const std::vector<std::string>& components) {
  for (size_t at = 0; at + 1 < components.size(); ++at) {
    if (!components[at].starts_with("target")) continue;
    ScsiPlace place;
    const char* device = components[at + 1].c_str();
    if (std::sscanf(device, "%*u:%u:%u:%u", &place.channel, &place.target, &place.lun) == 3) return place;
  }
  return {};
}

std::optional<unsigned> NumberOf(const std::string& name, std::string_view word) {
  unsigned number = 0;
  if (!name.starts_with(word) || std::sscanf(name.c_str() + word.size(), "%u", &number) != 1) return {};
  return number;
}

// The how-manieth of its controller's ports a disk hangs on; hosts are numbered through the machine.
std::optional<int64_t> PortOf(const Sysfs& sysfs, const std::vector<std::string>& components) {
  const bool has_ata =
      std::ranges::any_of(components, [](const auto& name) { return NumberOf(name, "ata").has_value(); });
  const std::string_view word = has_ata ? "ata" : "host";
  std::string controller;
  for (const std::string& name : components) {
    if (const auto host = NumberOf(name, word)) {
      int64_t below = 0;
      for (const Sysfs::Entry& entry : sysfs.List(controller)) {
        const auto other = NumberOf(entry.name, word);
        if (other && *other < *host) ++below;
      }
      return below;
    }
    controller += "/" + name;
  }
  return {};
}

struct PciDevice {
  PciAddress address;
  Controller controller;
};
// Behind bridges: the first function on the way whose driver is one of ours.
std::optional<PciDevice> FindController(const Sysfs& sysfs, const std::vector<std::string>& components) {
  std::string path = "/" + components[0] + "/" + components[1];
  for (size_t at = 2; at < components.size(); ++at) {
    const auto address = ParsePci(components[at]);
    if (!address) return {};
    path += "/" + components[at];
    const std::string driver = LastComponent(sysfs.Follow(path + "/driver").value_or(std::string()));
    const auto* known = std::ranges::find(kControllers, driver, [](const auto& row) { return row.first; });
    if (known != std::end(kControllers)) return PciDevice{*address, known->second};
  }
  return {};
}

void FillScsi(const ScsiPlace& place, DiskAddress& address) {
  address.bus_type = BusType::kScsi;
  address.bus = place.channel;
  address.target = place.target;
  address.unit = place.lun;
}

void FillVirtio(const std::vector<std::string>& components, DiskAddress& address) {
  address.bus_type = BusType::kVirtio;
  if (const auto place = FindScsiPlace(components)) FillScsi(*place, address);
}

// With nothing told of a controller whose path is not as its driver makes it.
void FillAta(const Sysfs& sysfs, const std::vector<std::string>& components, Controller controller,
             DiskAddress& address) {
  const auto port = PortOf(sysfs, components);
  const auto place = FindScsiPlace(components);
  if (!port || !place) return;
  const bool is_ide = controller == Controller::kPataPiix;
  address.bus_type = is_ide ? BusType::kIde : BusType::kSata;
  address.bus = is_ide ? *port : 0;
  address.unit = is_ide ? place->target : *port;
}

void FillPci(const Sysfs& sysfs, const std::vector<std::string>& components, DiskAddress& address) {
  const auto device = FindController(sysfs, components);
  if (!device) return;
  address.controller = device->address;
  switch (device->controller) {
    case Controller::kPataPiix:
    case Controller::kAhci:
      return FillAta(sysfs, components, device->controller, address);
    case Controller::kSym53c8xx:
      if (const auto place = FindScsiPlace(components)) {
        address.bus_type = BusType::kScsi;
        address.unit = place->target;
      }
      return;
    case Controller::kVirtio:
      return FillVirtio(components, address);
    case Controller::kNvme:
      address.bus_type = BusType::kNvme;
      return;
    case Controller::kUsb:
      address.bus_type = BusType::kUsb;
      return;
  }
}

bool HasVirtio(const std::vector<std::string>& components) {
  return std::ranges::any_of(components, [](const auto& name) { return NumberOf(name, "virtio").has_value(); });
}

}  // namespace

const char* NameOf(BusType type) {
  static constexpr std::array kNames = {"unknown", "ide", "scsi", "virtio", "usb", "sata", "nvme"};
  return kNames[static_cast<size_t>(type)];
}

DiskAddress AddressOf(const Sysfs& sysfs, const std::string& path) {
  DiskAddress address;
  const std::vector<std::string> components = Components(path);
  if (components.size() < 3) return address;
  if (components[1].starts_with("pci")) {
    FillPci(sysfs, components, address);
    return address;
  }
  if (components[1].starts_with("css") && components.size() > 3) address.ccw = ParseCcw(components[2], components[3]);
  if (HasVirtio(components)) FillVirtio(components, address);
  return address;
}

}  // namespace reeve::storage
