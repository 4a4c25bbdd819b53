#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "inventory_commands.hpp"
#include "plugins/inventory/metrics.h"
#include "plugins/inventory/netlink_dump.h"
#include "plugins/inventory/packages.h"
#include "plugins/inventory/program_output.h"
#include "plugins/inventory/system_names.h"
#include "plugins/inventory/time_zone.h"
#include "plugins/inventory/usage_reader.h"
#include "plugins/inventory/users.h"
#include "reeve/plugin.hpp"
#include "storage/disk_table.h"
#include "storage/mounts.h"

namespace reeve::inventory {

// The getters. What each answers is read and understood by its topic's files.
class InventoryPlugin : public plugin::Plugin {
 public:
  // As many as the agent hands out, of which it keeps some for what runs no program: nobody waits for a dead mount or a
  // program that hangs but who asked for it.
  static constexpr uint32_t kMaxConcurrency = 32;

  // `databases`: another machine's, for a test.
  explicit InventoryPlugin(plugin::Agent& agent, PackageDatabases databases = {});

  // `os-release`: the file to read as that.
  void Configure(const plugin::Arguments& settings) override;

  void GetOsinfo(const Request& request, const inventory_manifest::GuestGetOsinfo& arguments, Reply& reply);
  void GetHostName(const Request& request, const inventory_manifest::GuestGetHostName& arguments, Reply& reply);
  void GetTime(const Request& request, const inventory_manifest::GuestGetTime& arguments, Reply& reply);
  void GetTimezone(const Request& request, const inventory_manifest::GuestGetTimezone& arguments, Reply& reply);
  void GetUsers(const Request& request, const inventory_manifest::GuestGetUsers& arguments, Reply& reply);
  void GetInterfaces(const Request& request, const inventory_manifest::GuestNetworkGetInterfaces& arguments,
                     Reply& reply);
  void GetRoutes(const Request& request, const inventory_manifest::GuestNetworkGetRoute& arguments, Reply& reply);
  void GetVcpus(const Request& request, const inventory_manifest::GuestGetVcpus& arguments, Reply& reply);
  void GetMemoryBlocks(const Request& request, const inventory_manifest::GuestGetMemoryBlocks& arguments, Reply& reply);
  void GetMemoryBlockInfo(const Request& request, const inventory_manifest::GuestGetMemoryBlockInfo& arguments,
                          Reply& reply);
  void GetLoad(const Request& request, const inventory_manifest::GuestGetLoad& arguments, Reply& reply);
  void GetCpustats(const Request& request, const inventory_manifest::GuestGetCpustats& arguments, Reply& reply);
  void GetDiskstats(const Request& request, const inventory_manifest::GuestGetDiskstats& arguments, Reply& reply);
  void GetDevices(const Request& request, const inventory_manifest::GuestGetDevices& arguments, Reply& reply);
  void GetDisks(const Request& request, const inventory_manifest::GuestGetDisks& arguments, Reply& reply);
  void GetFsinfo(const Request& request, const inventory_manifest::GuestGetFsinfo& arguments, Reply& reply);

  void Memory(const Request& request, const inventory_manifest::InventoryMemory& arguments, Reply& reply);
  void Metrics(const Request& request, const inventory_manifest::InventoryMetrics& arguments, Reply& reply);
  void ListPackages(const Request& request, const inventory_manifest::InventoryPackages& arguments, Reply& reply);
  void ListServices(const Request& request, const inventory_manifest::InventoryServices& arguments, Reply& reply);
  void ListContainers(const Request& request, const inventory_manifest::InventoryContainers& arguments, Reply& reply);
  void Cancelled(uint64_t request_id) override;

 private:
  // What the sandbox lets in as it was is not what stands there now: the next request goes to another process.
  std::function<void()> OnOutdated();
  void RenewIfOutdated(const GrantedPath& path);
  // Of the manifest's `inherit:`, lent.
  Result<int> Inherited(const char* name) const;
  // The whole text of an inherited file of /proc as it is now.
  Result<std::string> ReadProc(const char* name) const;
  Result<inventory_manifest::InventoryMemoryInfo> MemoryNow() const;
  std::optional<inventory_manifest::InventoryPressureOf> PressureNow(const char* name) const;
  // For an answer that comes later: closed when the request was cancelled meanwhile.
  std::shared_ptr<Reply> Keep(const Request& request, Reply& reply);
  // All but how full the file systems are.
  Measurements MeasureNow();

  OsInfo os_info_;
  LocalTimeZone time_zone_;
  LoggedInUsers users_;
  // Directories whose files are read in passing.
  GrantedPath udev_directory_{"/run/udev"};
  GrantedPath dpkg_directory_;
  std::optional<NetlinkTables> tables_;  // from their first use on
  storage::MountTable mounts_;
  storage::UdevDatabase udev_;
  storage::DiskTable disks_;
  UsageReader usages_;
  std::map<uint64_t, std::weak_ptr<Reply>> kept_;  // by request; those that are answered go later
  ProgramReader programs_;
  Packages packages_;
};

}  // namespace reeve::inventory
