#include "agent/sandbox/namespaces.h"

#include <sched.h>
#include <sys/mount.h>

namespace reeve::sandbox {
namespace {

Status SetPropagation(unsigned long propagation) {
  if (::mount(nullptr, "/", nullptr, MS_REC | propagation, nullptr) < 0) return FailErrno("change mount propagation");
  return {};
}

}  // namespace

Status UnshareFor(const policy::SandboxProfile& profile) {
  int flags = CLONE_NEWNS | CLONE_NEWIPC;
  if (!profile.has_host_net) flags |= CLONE_NEWNET;
  if (!profile.has_host_uts) flags |= CLONE_NEWUTS;
  if (::unshare(flags) < 0) return FailErrno("unshare namespaces");
  return SetPropagation(profile.mounts == policy::MountView::kRecursiveSlave ? MS_SLAVE : MS_PRIVATE);
}

Status UnshareForProgram() {
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) < 0) return FailErrno("unshare namespaces");
  return SetPropagation(MS_PRIVATE);
}

Status UnshareMounts() {
  if (::unshare(CLONE_NEWNS) < 0) return FailErrno("unshare the mount namespace");
  return SetPropagation(MS_PRIVATE);
}

}  // namespace reeve::sandbox
