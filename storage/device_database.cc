#include "storage/device_database.h"

#include <libudev.h>

#include <memory>

namespace reeve::storage {
namespace {

template <auto kUnref>
struct Unref {
  template <typename T>
  void operator()(T* thing) const {
    kUnref(thing);
  }
};

std::string TextOf(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace

// The library keeps what it has read in its objects, so each question has new ones.
std::optional<DeviceFacts> UdevDatabase::Find(dev_t device) const {
  const std::unique_ptr<udev, Unref<udev_unref>> library(udev_new());
  if (library == nullptr) return std::nullopt;
  const std::unique_ptr<udev_device, Unref<udev_device_unref>> found(
      udev_device_new_from_devnum(library.get(), 'b', device));
  if (found == nullptr) return std::nullopt;
  const auto property = [&](const char* name) { return TextOf(udev_device_get_property_value(found.get(), name)); };
  return DeviceFacts{.node = TextOf(udev_device_get_devnode(found.get())),
                     .serial = property("ID_SERIAL"),
                     .short_serial = property("ID_SERIAL_SHORT"),
                     .scsi_serial = property("ID_SCSI_SERIAL"),
                     .mapper_name = property("DM_NAME")};
}

}  // namespace reeve::storage
