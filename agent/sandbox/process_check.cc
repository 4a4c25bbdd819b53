#include "agent/sandbox/process_check.h"

#include <dirent.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>

#include "agent/sandbox/confine_child.h"
#include "base/sys.h"

namespace reeve::sandbox {
namespace {

constexpr size_t kMaxStatusBytes = 64 << 10;

using StatusLines = std::map<std::string, std::string>;

std::string ProcPath(pid_t pid, const std::string& rest) {
  return "/proc/" + std::to_string(pid) + "/" + rest;
}

std::string Trim(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Result<StatusLines> ReadStatus(const std::string& path) {
  const std::string text = REEVE_TRY(sys::ReadFile(path, kMaxStatusBytes));
  StatusLines lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    start = end + 1;
    const size_t colon = line.find(':');
    if (colon != std::string::npos) lines[line.substr(0, colon)] = Trim(line.substr(colon + 1));
  }
  return lines;
}

Result<std::vector<std::string>> List(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return FailErrno("list " + path);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

std::string Hexadecimal(uint64_t set) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(set));
  return text;
}

std::string FourTimes(uint32_t id) {
  const std::string one = std::to_string(id);
  return one + "\t" + one + "\t" + one + "\t" + one;
}

std::unexpected<Error> Differs(const ExpectedProcess& expected, const std::string& what, const std::string& is,
                               const std::string& planned) {
  return Fail(Code::kDenied, expected.name + ": " + what + " is " + is + ", planned " + planned);
}

Status CheckLine(const StatusLines& lines, const std::string& key, const std::string& planned,
                 const ExpectedProcess& expected) {
  const auto line = lines.find(key);
  if (line == lines.end()) return Differs(expected, key, "not shown", planned);
  if (line->second != planned) return Differs(expected, key, line->second, planned.empty() ? "empty" : planned);
  return {};
}

// What every thread has for itself.
Status CheckThread(const StatusLines& lines, const ExpectedProcess& expected) {
  const std::string capabilities = Hexadecimal(expected.permitted);
  const std::string none = Hexadecimal(0);
  const int mode = expected.seccomp_filters > 0 ? SECCOMP_MODE_FILTER : SECCOMP_MODE_DISABLED;
  const std::pair<const char*, std::string> planned[] = {
      {"Uid", FourTimes(expected.uid)},
      {"CapInh", none},
      {"CapPrm", capabilities},
      {"CapEff", capabilities},
      {"CapAmb", none},
      {"NoNewPrivs", "1"},
      {"Seccomp", std::to_string(mode)},
      {"Seccomp_filters", std::to_string(expected.seccomp_filters)},
  };
  for (const auto& [key, value] : planned) REEVE_TRY(CheckLine(lines, key, value, expected));
  if (expected.is_unprivileged) return {};
  REEVE_TRY(CheckLine(lines, "Gid", FourTimes(expected.uid), expected));
  REEVE_TRY(CheckLine(lines, "Groups", "", expected));
  return CheckLine(lines, "CapBnd", none, expected);
}

Status CheckThreads(pid_t pid, const ExpectedProcess& expected) {
  const std::vector<std::string> threads = REEVE_TRY(List(ProcPath(pid, "task")));
  if (expected.has_one_thread && threads.size() != 1) {
    return Differs(expected, "Threads", std::to_string(threads.size()), "1");
  }
  for (const std::string& thread : threads) {
    const Result<StatusLines> lines = ReadStatus(ProcPath(pid, "task/" + thread + "/status"));
    if (!lines && threads.size() > 1 && thread != std::to_string(pid)) continue;  // it has ended meanwhile
    if (!lines) return Fail(lines.error().Within(expected.name));
    REEVE_TRY(CheckThread(*lines, expected));
  }
  return {};
}

std::string Join(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) text += (text.empty() ? "" : " ") + std::to_string(number);
  return text;
}

Status CheckFds(pid_t pid, const ExpectedProcess& expected) {
  if (!expected.compares_fds) return {};
  std::vector<int> open;
  for (const std::string& name : REEVE_TRY(List(ProcPath(pid, "fd")))) open.push_back(std::atoi(name.c_str()));
  std::vector<int> planned = expected.fds;
  std::sort(open.begin(), open.end());
  std::sort(planned.begin(), planned.end());
  if (open != planned) return Differs(expected, "the list of descriptors", Join(open), Join(planned));
  return {};
}

// A namespace is known by the device and inode of its file; both as one text.
Result<std::string> NamespaceOf(const std::string& process, const std::string& kind) {
  const std::string path = "/proc/" + process + "/ns/" + kind;
  struct stat file{};
  if (::stat(path.c_str(), &file) < 0) return FailErrno("look at " + path);
  return std::to_string(file.st_dev) + ":" + std::to_string(file.st_ino);
}

Status CheckNamespaces(pid_t pid, const ExpectedProcess& expected) {
  const auto is_shared = [&](const std::string& kind) -> Result<bool> {
    return REEVE_TRY(NamespaceOf(std::to_string(pid), kind)) == REEVE_TRY(NamespaceOf("self", kind));
  };
  for (const std::string& kind : expected.private_namespaces) {
    if (REEVE_TRY(is_shared(kind))) return Differs(expected, "namespace " + kind, "the machine's", "its own");
  }
  for (const std::string& kind : expected.shared_namespaces) {
    if (!REEVE_TRY(is_shared(kind))) return Differs(expected, "namespace " + kind, "its own", "the machine's");
  }
  return {};
}

Result<uint32_t> OwnFilters() {
  const StatusLines own = REEVE_TRY(ReadStatus("/proc/self/status"));
  const auto filters = own.find("Seccomp_filters");
  if (filters == own.end()) return Fail(Code::kUnsupported, "this kernel does not count filters");
  return static_cast<uint32_t>(std::strtoul(filters->second.c_str(), nullptr, 10));
}

uint32_t FiltersAt(const policy::SandboxProfile& profile, Stage stage) {
  return (profile.load_filter.empty() ? 0u : 1u) + (stage == Stage::kRun ? 1u : 0u);
}

std::string NameOf(const policy::SandboxProfile& profile) {
  return profile.role == policy::Role::kWorker ? "worker " + profile.name : profile.name;
}

}  // namespace

Result<ExpectedProcess> Expect(const policy::SandboxProfile& profile, Stage stage, std::vector<int> fds) {
  ExpectedProcess expected;
  expected.name = NameOf(profile);
  expected.uid = profile.uid;
  expected.is_unprivileged = profile.is_unprivileged;
  expected.permitted = profile.capabilities;
  expected.seccomp_filters = REEVE_TRY(OwnFilters()) + FiltersAt(profile, stage);
  expected.has_one_thread = stage == Stage::kLoad;
  expected.compares_fds = stage == Stage::kLoad;
  expected.fds = std::move(fds);
  for (const int number : {0, 1, 2}) {
    if (std::find(expected.fds.begin(), expected.fds.end(), number) == expected.fds.end()) {
      expected.fds.push_back(number);
    }
  }
  for (size_t i = 0; i < profile.inherited.size(); ++i) expected.fds.push_back(kFirstInheritedFd + static_cast<int>(i));
  if (profile.is_unprivileged) {
    expected.compares_fds = false;  // ptrace(2) of a process that is not dumpable takes root, and so do its ns and fd
    return expected;
  }
  expected.private_namespaces = {"mnt", "ipc"};
  (profile.has_host_net ? expected.shared_namespaces : expected.private_namespaces).push_back("net");
  (profile.has_host_uts ? expected.shared_namespaces : expected.private_namespaces).push_back("uts");
  (profile.has_host_pid ? expected.shared_namespaces : expected.private_namespaces).push_back("pid");
  return expected;
}

Status CheckProcess(pid_t pid, const ExpectedProcess& expected) {
  REEVE_TRY(CheckThreads(pid, expected));
  REEVE_TRY(CheckFds(pid, expected));
  return CheckNamespaces(pid, expected);
}

Result<bool> IsUidInUse(uid_t uid) {
  for (const std::string& name : REEVE_TRY(List("/proc"))) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    Result<StatusLines> status = ReadStatus("/proc/" + name + "/status");
    if (!status) continue;  // it has ended
    std::istringstream uids((*status)["Uid"]);
    for (uid_t one = 0; uids >> one;) {
      if (one == uid) return true;
    }
  }
  return false;
}

}  // namespace reeve::sandbox
