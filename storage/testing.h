#pragma once

// A machine's devices as a sysfs tree in a folder, for unit tests only.

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "storage/device_database.h"
#include "storage/sysfs.h"

namespace reeve::storage {

class FakeDevices : public DeviceDatabase {
 public:
  FakeDevices() {
    char name[] = "/tmp/reeve-sysfs-XXXXXX";
    root_ = mkdtemp(name);
    std::filesystem::create_directories(root_ + "/block");
  }
  ~FakeDevices() override { std::filesystem::remove_all(root_); }
  FakeDevices(const FakeDevices&) = delete;
  FakeDevices& operator=(const FakeDevices&) = delete;

  Sysfs sysfs() const { return Sysfs(root_); }
  const std::string& root() const { return root_; }

  // `path` is that of the device or function: "/devices/pci0000:00/0000:00:1f.2".
  void AddDriver(const std::string& path, const std::string& driver) {
    std::filesystem::create_directories(root_ + path);
    std::filesystem::create_directories(root_ + "/bus/any/drivers/" + driver);
    Link(path + "/driver", "/bus/any/drivers/" + driver);
  }
  void AddDirectory(const std::string& path) { std::filesystem::create_directories(root_ + path); }

  // `path` ends in the name of the disk.
  void AddDisk(const std::string& path, dev_t device, uint64_t sectors) {
    AddDevice(path, device, sectors);
    std::filesystem::create_directories(root_ + path + "/slaves");
    Link("/block/" + LastComponent(path), path);
  }
  void AddPartition(const std::string& disk_path, const std::string& name, dev_t device, uint64_t sectors) {
    AddDevice(disk_path + "/" + name, device, sectors);
  }
  // `upper` is made of, among others, `lower`.
  void Stack(const std::string& upper_path, const std::string& lower_path) {
    Link(upper_path + "/slaves/" + LastComponent(lower_path), lower_path);
  }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text << "\n";
  }

  void SetFacts(dev_t device, DeviceFacts facts) { facts_[device] = std::move(facts); }
  std::optional<DeviceFacts> Find(dev_t device) const override {
    const auto found = facts_.find(device);
    return found == facts_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  void AddDevice(const std::string& path, dev_t device, uint64_t sectors);
  // Relative, as the kernel makes them.
  void Link(const std::string& link, const std::string& target) {
    const auto directory = std::filesystem::path(link).parent_path();
    std::filesystem::create_directories(root_ + directory.string());
    std::filesystem::create_symlink(std::filesystem::path(target).lexically_relative(directory), root_ + link);
  }

  std::string root_;
  std::map<dev_t, DeviceFacts> facts_;
};

inline void FakeDevices::AddDevice(const std::string& path, dev_t device, uint64_t sectors) {
  Write(path + "/dev", std::to_string(device >> 8) + ":" + std::to_string(device & 0xff));
  Write(path + "/size", std::to_string(sectors));
}

}  // namespace reeve::storage
