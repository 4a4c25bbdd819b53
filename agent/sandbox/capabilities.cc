#include "agent/sandbox/capabilities.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace reeve::sandbox {
namespace {

// The kernel's masks have 64 bits; prctl says EINVAL for the first number it does not know.
constexpr unsigned long kCapabilityLimit = 64;

uint64_t Join(uint32_t low, uint32_t high) {
  return low | uint64_t{high} << 32;
}

bool Has(uint64_t set, unsigned long number) {
  return (set >> number & 1) != 0;
}

}  // namespace

Result<CapabilitySets> ReadCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, data) < 0) return FailErrno("read capabilities");
  return CapabilitySets{.effective = Join(data[0].effective, data[1].effective),
                        .permitted = Join(data[0].permitted, data[1].permitted),
                        .inheritable = Join(data[0].inheritable, data[1].inheritable)};
}

Status WriteCapabilities(const CapabilitySets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  for (int half = 0; half < 2; ++half) {
    data[half].effective = static_cast<uint32_t>(sets.effective >> (32 * half));
    data[half].permitted = static_cast<uint32_t>(sets.permitted >> (32 * half));
    data[half].inheritable = static_cast<uint32_t>(sets.inheritable >> (32 * half));
  }
  if (::syscall(SYS_capset, &header, data) < 0) return FailErrno("set capabilities");
  return {};
}

Status SetInheritable(uint64_t wanted) {
  CapabilitySets sets = REEVE_TRY(ReadCapabilities());
  sets.inheritable = wanted;
  return WriteCapabilities(sets);
}

Status SetAmbient(uint64_t wanted) {
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return FailErrno("clear ambient capabilities");
  for (unsigned long number = 0; number < kCapabilityLimit; ++number) {
    if (!Has(wanted, number)) continue;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0) {
      return FailErrno("raise ambient capability " + std::to_string(number));
    }
  }
  return {};
}

Status DropBoundingSet(uint64_t kept) {
  for (unsigned long number = 0; number < kCapabilityLimit; ++number) {
    if (Has(kept, number)) continue;
    if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) return {};  // above the kernel's last capability
    return FailErrno("drop capability " + std::to_string(number) + " from the bounding set");
  }
  return {};
}

Status LockSecurebits() {
  constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                  SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                  SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if (::prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) < 0) return FailErrno("lock securebits");
  return {};
}

Status BecomeUser(uid_t uid, gid_t gid, std::span<const gid_t> groups) {
  if (::setgroups(groups.size(), groups.data()) < 0) return FailErrno("set groups");
  if (::setresgid(gid, gid, gid) < 0) return FailErrno("become group " + std::to_string(gid));
  if (::setresuid(uid, uid, uid) < 0) return FailErrno("become user " + std::to_string(uid));
  return {};
}

Status BecomeUserForGood(uid_t uid, gid_t gid, std::span<const gid_t> groups) {
  if (uid == ::geteuid() && uid != 0) return {};
  REEVE_TRY(BecomeUser(uid, gid, groups));
  if (uid == 0) return {};
  return AssertNotRootAgain(gid);
}

Status AssertNotRootAgain(gid_t gid) {
  if (::setuid(0) == 0) return Fail(Code::kSystem, "setuid(0) succeeded");
  if (gid != 0 && ::setgid(0) == 0) return Fail(Code::kSystem, "setgid(0) succeeded");
  return {};
}

Status ClearInheritedCapabilities() {
  REEVE_TRY(SetAmbient(0));
  return SetInheritable(0);
}

}  // namespace reeve::sandbox
