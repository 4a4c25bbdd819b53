#include "plugins/inventory/inventory_plugin.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>

#include "plugins/inventory/containers.h"
#include "plugins/inventory/devices.h"
#include "plugins/inventory/disk_reply.h"
#include "plugins/inventory/filesystem_reply.h"
#include "plugins/inventory/interfaces.h"
#include "plugins/inventory/memory_blocks.h"
#include "plugins/inventory/memory_status.h"
#include "plugins/inventory/page.h"
#include "plugins/inventory/proc_file.h"
#include "plugins/inventory/processors.h"
#include "plugins/inventory/routes.h"
#include "plugins/inventory/services.h"
#include "plugins/inventory/statistics.h"

namespace reeve::inventory {
namespace {

using namespace inventory_manifest;

// Of the longest rows that are told, so many keep a reply below 4 MiB.
constexpr size_t kMaxPackagesTold = 5000;
constexpr size_t kMaxServicesTold = 1000;
constexpr size_t kMaxContainersTold = 500;

int32_t StatusOf(Code code) {
  if (code == Code::kDenied) return REEVE_ERROR_DENIED;
  return code == Code::kInvalidArgument ? REEVE_ERROR_ARGUMENT : REEVE_ERROR_FAILED;
}

void AnswerError(plugin::Reply& reply, const Error& error) {
  reply.Fail(StatusOf(error.code()), error.message());
}

template <typename T>
void Answer(plugin::Reply& reply, const Result<T>& value) {
  if (value) return reply.ReturnValue(*value);
  AnswerError(reply, value.error());
}

}  // namespace

InventoryPlugin::InventoryPlugin(plugin::Agent& agent, PackageDatabases databases)
    : Plugin(agent),
      os_info_(OnOutdated()),
      time_zone_(OnOutdated()),
      users_(OnOutdated()),
      dpkg_directory_(std::filesystem::path(databases.dpkg_status).parent_path()),
      mounts_(agent.Inherited("mountinfo")),
      disks_(storage::Sysfs(), udev_),
      usages_({.post = [&agent](std::function<void()> call) { agent.Post(std::move(call)); },
               .after = [&agent](uint64_t delay_ms,
                                 std::function<void()> call) { agent.After(delay_ms, std::move(call)); }}),
      programs_(agent),
      packages_(programs_, std::move(databases)) {}

std::function<void()> InventoryPlugin::OnOutdated() {
  return [this] { agent().Renew(); };
}

void InventoryPlugin::RenewIfOutdated(const GrantedPath& path) {
  if (path.IsOutdated()) agent().Renew();
}

Result<int> InventoryPlugin::Inherited(const char* name) const {
  const int fd = agent().Inherited(name);
  if (fd < 0) return Fail(Code::kDenied, std::string(name) + " was not granted to the plugin inventory");
  return fd;
}

Result<std::string> InventoryPlugin::ReadProc(const char* name) const {
  return ReadWhole(REEVE_TRY(Inherited(name)), kMaxProcBytes);
}

void InventoryPlugin::Configure(const plugin::Arguments& settings) {
  if (settings.Has("os-release")) os_info_.UseFile(std::string(settings.String("os-release")));
}

void InventoryPlugin::GetOsinfo(const Request&, const GuestGetOsinfo&, Reply& reply) {
  reply.Return(os_info_.Json());
}

void InventoryPlugin::GetHostName(const Request&, const GuestGetHostName&, Reply& reply) {
  Answer(reply, HostName());
}

void InventoryPlugin::GetTime(const Request&, const GuestGetTime&, Reply& reply) {
  reply.ReturnValue(TimeNow());
}

void InventoryPlugin::GetTimezone(const Request&, const GuestGetTimezone&, Reply& reply) {
  Answer(reply, time_zone_.Now());
}

void InventoryPlugin::GetUsers(const Request&, const GuestGetUsers&, Reply& reply) {
  const auto users = users_.Now();
  if (!users) return AnswerError(reply, users.error());
  reply.ReturnValue(**users);
}

void InventoryPlugin::GetInterfaces(const Request&, const GuestNetworkGetInterfaces&, Reply& reply) {
  const Result<int> socket = Inherited("netlink-route");
  if (!socket) return AnswerError(reply, socket.error());
  if (!tables_) tables_.emplace(*socket);
  Answer(reply, InterfacesNow(*tables_));
}

void InventoryPlugin::GetRoutes(const Request&, const GuestNetworkGetRoute&, Reply& reply) {
  const Result<std::string> ipv4 = ReadProc("proc:net/route");
  const Result<std::string> ipv6 = ReadProc("proc:net/ipv6_route");
  if (!ipv4) return AnswerError(reply, ipv4.error());
  if (!ipv6) return AnswerError(reply, ipv6.error());
  std::vector<GuestNetworkRoute> routes = RoutesIn(*ipv4);
  std::ranges::move(Ipv6RoutesIn(*ipv6), std::back_inserter(routes));
  reply.ReturnValue(routes);
}

void InventoryPlugin::GetVcpus(const Request&, const GuestGetVcpus&, Reply& reply) {
  Answer(reply, ProcessorsIn(kProcessorDirectory));
}

void InventoryPlugin::GetMemoryBlocks(const Request&, const GuestGetMemoryBlocks&, Reply& reply) {
  Answer(reply, MemoryBlocksIn(kMemoryDirectory));
}

void InventoryPlugin::GetMemoryBlockInfo(const Request&, const GuestGetMemoryBlockInfo&, Reply& reply) {
  Answer(reply, MemoryBlockInfoIn(kMemoryDirectory));
}

void InventoryPlugin::GetLoad(const Request&, const GuestGetLoad&, Reply& reply) {
  const Result<std::string> text = ReadProc("proc:loadavg");
  if (!text) return AnswerError(reply, text.error());
  Answer(reply, LoadIn(*text));
}

void InventoryPlugin::GetCpustats(const Request&, const GuestGetCpustats&, Reply& reply) {
  const Result<std::string> text = ReadProc("proc:stat");
  if (!text) return AnswerError(reply, text.error());
  reply.ReturnValue(CpuStatsIn(*text, static_cast<uint64_t>(::sysconf(_SC_CLK_TCK))));
}

void InventoryPlugin::GetDiskstats(const Request&, const GuestGetDiskstats&, Reply& reply) {
  const Result<std::string> text = ReadProc("proc:diskstats");
  if (!text) return AnswerError(reply, text.error());
  reply.ReturnValue(DiskStatsIn(*text));
}

void InventoryPlugin::GetDevices(const Request&, const GuestGetDevices&, Reply& reply) {
  utsname kernel{};
  ::uname(&kernel);
  reply.ReturnValue(DevicesIn(kPciDirectory, kernel.release));
}

void InventoryPlugin::GetDisks(const Request&, const GuestGetDisks&, Reply& reply) {
  RenewIfOutdated(udev_directory_);
  reply.ReturnValue(DiskInfosOf(disks_.Current(agent().NowMs())));
}

void InventoryPlugin::GetFsinfo(const Request&, const GuestGetFsinfo&, Reply& reply) {
  RenewIfOutdated(udev_directory_);
  const Result<int> mountinfo = Inherited("mountinfo");
  if (!mountinfo) return AnswerError(reply, mountinfo.error());
  const Result<const storage::MountList*> list = mounts_.Current();
  if (!list) return AnswerError(reply, list.error());
  std::vector<storage::Mount> mounts;
  for (const storage::FileSystem& file_system : (*list)->file_systems) mounts.push_back(file_system.mount);
  auto infos = FilesystemInfosOf(**list, disks_.Current(agent().NowMs()));
  usages_.Read(mounts, [infos = std::move(infos),
                        kept = std::make_shared<Reply>(std::move(reply))](const UsageReader::Usages& usages) mutable {
    Complete(infos, usages);
    kept->ReturnValue(infos);
  });
}

Result<InventoryMemoryInfo> InventoryPlugin::MemoryNow() const {
  const std::string text = REEVE_TRY(ReadProc("proc:meminfo"));
  InventoryMemoryInfo memory = REEVE_TRY(MemoryIn(text));
  const InventoryPressure pressure = {.cpu = PressureNow("proc:pressure/cpu"),
                                      .memory = PressureNow("proc:pressure/memory"),
                                      .io = PressureNow("proc:pressure/io")};
  if (pressure.cpu || pressure.memory || pressure.io) memory.pressure = pressure;
  return memory;
}

// A kernel may have the file and refuse to count.
std::optional<InventoryPressureOf> InventoryPlugin::PressureNow(const char* name) const {
  const Result<std::string> text = ReadProc(name);
  return text ? PressureIn(*text) : std::nullopt;
}

void InventoryPlugin::Memory(const Request&, const InventoryMemory&, Reply& reply) {
  Answer(reply, MemoryNow());
}

Measurements InventoryPlugin::MeasureNow() {
  Measurements now;
  if (auto memory = MemoryNow()) now.memory = *memory;
  if (const auto text = ReadProc("proc:loadavg")) {
    if (const auto load = LoadIn(*text)) now.load = *load;
  }
  if (const auto text = ReadProc("proc:stat")) {
    now.processors = CpuStatsIn(*text, static_cast<uint64_t>(::sysconf(_SC_CLK_TCK)));
    now.boot_time_s = BootTimeIn(*text);
  }
  if (const auto text = ReadProc("proc:diskstats")) now.disks = DiskStatsIn(*text);
  if (const auto text = ReadProc("proc:net/dev")) now.interfaces = NetworkCountersIn(*text);
  const Result<const storage::MountList*> list = mounts_.Current();
  if (!list) return now;
  for (const storage::FileSystem& file_system : (*list)->file_systems) now.mounts.push_back(file_system.mount);
  return now;
}

void InventoryPlugin::Metrics(const Request&, const InventoryMetrics&, Reply& reply) {
  Measurements now = MeasureNow();
  const std::vector<storage::Mount> mounts = now.mounts;
  usages_.Read(mounts, [now = std::move(now),
                        kept = std::make_shared<Reply>(std::move(reply))](const UsageReader::Usages& usages) mutable {
    now.usages = usages;
    kept->ReturnValue(InventoryMetricsInfo{MetricsText(now)});
  });
}

std::shared_ptr<plugin::Reply> InventoryPlugin::Keep(const Request& request, Reply& reply) {
  std::erase_if(kept_, [](const auto& entry) { return entry.second.expired(); });
  auto kept = std::make_shared<Reply>(std::move(reply));
  kept_[request.id] = kept;
  return kept;
}

void InventoryPlugin::Cancelled(uint64_t request_id) {
  const auto found = kept_.find(request_id);
  const std::shared_ptr<Reply> kept = found == kept_.end() ? nullptr : found->second.lock();
  if (kept && kept->is_open()) kept->Fail(REEVE_ERROR_CANCELLED, "it took too long");
}

void InventoryPlugin::ListPackages(const Request& request, const InventoryPackages& arguments, Reply& reply) {
  const Result<Page> page = PageOf(arguments.offset, arguments.limit, kMaxPackagesTold);
  if (!page) return AnswerError(reply, page.error());
  RenewIfOutdated(dpkg_directory_);
  packages_.List(request.id, [kept = Keep(request, reply), page = *page,
                              prefix = arguments.prefix](const Result<const PackageList*>& list) {
    if (!kept->is_open()) return;
    if (!list) return AnswerError(*kept, list.error());
    const auto rows = WithPrefix((*list)->rows, prefix.value_or(""));
    kept->ReturnValue(InventoryPackageList{(*list)->manager, rows.size(), RowsOf(page, rows)});
  });
}

void InventoryPlugin::ListServices(const Request& request, const InventoryServices& arguments, Reply& reply) {
  const Result<Page> page = PageOf(arguments.offset, arguments.limit, kMaxServicesTold);
  if (!page) return AnswerError(reply, page.error());
  programs_.Read(request.id, ServiceQuestion(),
                 [kept = Keep(request, reply), page = *page](const ProgramOutput& output) {
                   if (!kept->is_open()) return;
                   if (output.is_missing) return kept->Fail(REEVE_ERROR_UNSUPPORTED, "this machine has no systemd");
                   if (!output.text) return AnswerError(*kept, output.text.error());
                   const Result<std::vector<InventoryService>> services = ServicesIn(*output.text);
                   if (!services) return AnswerError(*kept, services.error());
                   kept->ReturnValue(InventoryServiceList{services->size(), RowsOf(page, *services)});
                 });
}

void InventoryPlugin::ListContainers(const Request& request, const InventoryContainers& arguments, Reply& reply) {
  const Result<Page> page = PageOf(arguments.offset, arguments.limit, kMaxContainersTold);
  if (!page) return AnswerError(reply, page.error());
  inventory::ListContainers(
      programs_, request.id, [kept = Keep(request, reply), page = *page](const ContainerList& list) {
        if (!kept->is_open()) return;
        kept->ReturnValue(InventoryContainerList{list.rows.size(), RowsOf(page, list.rows), list.failures});
      });
}

}  // namespace reeve::inventory
