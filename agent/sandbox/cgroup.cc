#include "agent/sandbox/cgroup.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "base/sys.h"

namespace reeve::sandbox {
namespace {

constexpr size_t kMaxMountinfoBytes = 4 << 20;
constexpr size_t kMaxMembersBytes = 1 << 20;
// Without cgroup.kill: members may fork while they are killed. Each round kills all that it finds.
constexpr int kMaxKillRounds = 16;
constexpr useconds_t kStaleLookMicroseconds = 2000;

// The mount point of the version 2 tree: `36 25 0:31 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw`.
Result<std::string> FindMountPoint() {
  std::istringstream lines(REEVE_TRY(sys::ReadFile("/proc/self/mountinfo", kMaxMountinfoBytes)));
  for (std::string line; std::getline(lines, line);) {
    const size_t dash = line.find(" - cgroup2 ");
    if (dash == std::string::npos) continue;
    std::istringstream fields(line);
    std::string id, parent, device, root, mount_point;
    fields >> id >> parent >> device >> root >> mount_point;
    if (!mount_point.empty()) return mount_point;
  }
  return Fail(Code::kUnsupported, "no version 2 control groups are mounted");
}

// The line `0::/path` of /proc/self/cgroup.
Result<std::string> FindOwnPath() {
  std::istringstream lines(REEVE_TRY(sys::ReadFile("/proc/self/cgroup", kMaxMembersBytes)));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0::/")) return line.substr(3);
  }
  return Fail(Code::kUnsupported, "this process is in no version 2 control group");
}

Status WriteControl(const std::string& path, const std::string& text) {
  const UniqueFd file = REEVE_TRY(sys::Open(path, O_WRONLY));
  return sys::WriteAll(file.get(), AsBytes(text));
}

Result<std::string> ReadMembers(const std::string& path) {
  return sys::ReadFile(path + "/cgroup.procs", kMaxMembersBytes);
}

Status KillOneByOne(const std::string& path) {
  for (int round = 0; round < kMaxKillRounds; ++round) {
    const std::string members = REEVE_TRY(ReadMembers(path));
    if (members.empty()) return {};
    std::istringstream pids(members);
    for (pid_t pid = 0; pids >> pid;) {
      if (::kill(pid, SIGKILL) < 0 && errno != ESRCH) return FailErrno("kill " + std::to_string(pid));
    }
  }
  return {};
}

Status SetLimit(const std::string& file, uint64_t value) {
  if (value == 0) return {};
  return WriteControl(file, std::to_string(value));
}

// A kernel without swap has no such file.
Status ForbidSwap(const std::string& path) {
  const Status forbidden = WriteControl(path + "/memory.swap.max", "0");
  if (forbidden || forbidden.error().code() == Code::kNotFound) return {};
  return forbidden;
}

}  // namespace

Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
  if (this != &other) {
    if (directory_) (void)Remove();
    path_ = std::move(other.path_);
    directory_ = std::move(other.directory_);
  }
  return *this;
}

Cgroup::~Cgroup() {
  if (directory_) (void)Remove();
}

Status Cgroup::Add(pid_t pid) {
  return WriteControl(path_ + "/cgroup.procs", std::to_string(pid));
}

Status Cgroup::KillAll() {
  const Status killed = WriteControl(path_ + "/cgroup.kill", "1");
  if (killed || killed.error().code() != Code::kNotFound) return killed;
  return KillOneByOne(path_);
}

Result<bool> Cgroup::IsEmpty() const {
  return REEVE_TRY(ReadMembers(path_)).empty();
}

Status Cgroup::SetLimits(const CgroupLimits& limits) {
  const Status tasks = SetLimit(path_ + "/pids.max", limits.tasks);
  REEVE_TRY(SetLimit(path_ + "/memory.max", limits.memory_bytes));
  if (limits.memory_bytes != 0) REEVE_TRY(ForbidSwap(path_));
  return tasks;
}

Status Cgroup::Remove() {
  if (::rmdir(path_.c_str()) == 0 || errno == ENOENT) {
    directory_.Reset();
    return {};
  }
  if (errno == EBUSY) return Fail(Code::kUnavailable, "control group " + path_ + " has members");
  return FailErrno("remove control group " + path_);
}

Result<CgroupTree> CgroupTree::Find() {
  const std::string mount_point = REEVE_TRY(FindMountPoint());
  const std::string own = REEVE_TRY(FindOwnPath());
  std::string path = own == "/" ? mount_point : mount_point + own;
  if (::access(path.c_str(), W_OK) < 0) {
    return Fail(Code::kUnsupported, "control group " + path + " is not writable");
  }
  return CgroupTree(std::move(path));
}

Result<Cgroup> CgroupTree::MakeLeaf(const std::string& name) const {
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
    return Fail(Code::kInvalidArgument, "'" + name + "' cannot name a control group");
  }
  const std::string path = path_ + "/" + name;
  if (::mkdir(path.c_str(), 0755) < 0) return FailErrno("make control group " + path);
  Result<UniqueFd> directory = sys::Open(path, O_RDONLY | O_DIRECTORY);
  if (!directory) {
    ::rmdir(path.c_str());
    return Fail(directory.error());
  }
  return Cgroup(path, std::move(*directory));
}

void CgroupTree::RemoveStaleLeaves(const std::string& prefix) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path_.c_str()), ::closedir);
  if (!directory) return;
  std::vector<std::string> stale;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_type == DT_DIR && std::string(entry->d_name).starts_with(prefix)) stale.emplace_back(entry->d_name);
  }
  for (const std::string& name : stale) (void)Cgroup(path_ + "/" + name, UniqueFd()).KillAll();
  const auto end = std::chrono::steady_clock::now() + kStalePatience;
  while (!stale.empty() && std::chrono::steady_clock::now() < end) {
    std::erase_if(stale,
                  [&](const std::string& name) { return Cgroup(path_ + "/" + name, UniqueFd()).Remove().has_value(); });
    if (!stale.empty()) ::usleep(kStaleLookMicroseconds);
  }
}

}  // namespace reeve::sandbox
