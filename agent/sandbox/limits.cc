#include "agent/sandbox/limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "base/sys.h"

namespace reeve::sandbox {
namespace {

// Deep enough for RE2, a JSON nesting of 1,024 and a plugin's own recursion; the default 8 MiB only counts as
// address space, but an overflow should be found early.
constexpr rlim_t kStackBytes = 1 << 20;

struct Limit {
  __rlimit_resource resource;
  const char* name;
  rlim_t value;
};

Status Apply(const Limit& limit, std::vector<std::string>& remarks) {
  const rlimit wanted{limit.value, limit.value};
  if (::setrlimit(limit.resource, &wanted) == 0) return {};
  if (errno != EPERM) return FailErrno(limit.name);
  rlimit now{};
  if (::getrlimit(limit.resource, &now) < 0) return FailErrno(limit.name);
  const rlimit possible{std::min(limit.value, now.rlim_max), std::min(limit.value, now.rlim_max)};
  if (::setrlimit(limit.resource, &possible) < 0) return FailErrno(limit.name);
  remarks.push_back(std::string(limit.name) + " stays at " + std::to_string(possible.rlim_cur) + ", wanted " +
                    std::to_string(limit.value));
  return {};
}

}  // namespace

Status ApplyLimits(const policy::ResourceLimits& limits, LimitTasks tasks, std::vector<std::string>& remarks) {
  const Limit all[] = {
      {RLIMIT_CORE, "RLIMIT_CORE", 0},
      {RLIMIT_NOFILE, "RLIMIT_NOFILE", limits.open_files},
      {RLIMIT_FSIZE, "RLIMIT_FSIZE", limits.file_bytes},
      {RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", limits.locked_bytes},
      {RLIMIT_STACK, "RLIMIT_STACK", kStackBytes},
#ifndef REEVE_SANITIZED  // a sanitizer's shadow memory alone is above any sensible limit
      {RLIMIT_DATA, "RLIMIT_DATA", limits.data_bytes},
#endif
  };
  for (const Limit& limit : all) REEVE_TRY(Apply(limit, remarks));
  if (tasks == LimitTasks::kNo) return {};
  return Apply({RLIMIT_NPROC, "RLIMIT_NPROC", limits.tasks}, remarks);
}

Status VolunteerForOutOfMemory() {
  const UniqueFd file = REEVE_TRY(sys::Open("/proc/self/oom_score_adj", O_WRONLY));
  return sys::WriteAll(file.get(), AsBytes(std::to_string(kOutOfMemoryScore)));
}

}  // namespace reeve::sandbox
