#pragma once

#include <optional>
#include <string>
#include <vector>

// The kernel's tree of devices. Paths are those below /sys, and begin with a slash: "/devices/pci0000:00/...".

namespace reeve::storage {

// Any number of threads may use one.
class Sysfs {
 public:
  // `root` is where it is mounted; a test has its own.
  explicit Sysfs(std::string root = "/sys") : root_(std::move(root)) {}

  // An attribute's text without the line feed at its end; nothing when it cannot be read or is above kMaxAttributeBytes.
  std::optional<std::string> Read(const std::string& path) const;
  static constexpr size_t kMaxAttributeBytes = 4096;  // the kernel's own limit: a page

  struct Entry {
    std::string name;
    bool is_directory = false;
    bool is_link = false;
  };
  // In the kernel's order, which is neither sorted nor that of creation. Empty when it cannot be read.
  std::vector<Entry> List(const std::string& directory) const;

  // Where a link leads: the path of the device, driver or subsystem itself.
  std::optional<std::string> Follow(const std::string& link) const;

 private:
  std::string root_;
};

// "vda1" of ".../block/vda/vda1".
std::string LastComponent(const std::string& path);

}  // namespace reeve::storage
