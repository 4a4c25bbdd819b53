#include "agent/sandbox/seccomp_install.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "agent/sandbox/sandbox.h"

namespace reeve::sandbox {
namespace {

void WriteOwnProcess(std::vector<sock_filter>& program) {
  const auto own = static_cast<uint32_t>(::getpid());
  for (sock_filter& instruction : program) {
    if (instruction.code == (BPF_JMP | BPF_JEQ | BPF_K) && instruction.k == kOwnProcessMark) instruction.k = own;
  }
}

}  // namespace

Status InstallFilter(std::span<const uint8_t> bytes, FilterScope scope) {
  if (bytes.empty() || bytes.size() % sizeof(sock_filter) != 0 || bytes.size() / sizeof(sock_filter) > BPF_MAXINSNS) {
    return Fail(Code::kInvalidArgument, "a filter of " + std::to_string(bytes.size()) + " bytes is none");
  }
  std::vector<sock_filter> program(bytes.size() / sizeof(sock_filter));
  std::memcpy(program.data(), bytes.data(), bytes.size());
  WriteOwnProcess(program);
  const sock_fprog handed{static_cast<unsigned short>(program.size()), program.data()};
  // No SECCOMP_FILTER_FLAG_LOG: kills are logged without it, and with it each soft refusal would be logged
  // too, which uses up the kernel's rate limit before the kill that matters.
  const unsigned flags = scope == FilterScope::kAllThreads ? SECCOMP_FILTER_FLAG_TSYNC : 0;
  const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &handed);
  if (result < 0) return FailErrno("install a filter");
  // TSYNC answers with the id of a thread that could not follow.
  if (result > 0) return Fail(Code::kSystem, "install a filter: thread " + std::to_string(result) + " has another one");
  return {};
}

}  // namespace reeve::sandbox
