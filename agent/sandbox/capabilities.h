#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

#include "base/result.h"

// Capability sets, securebits and user ids of this thread. Sets are bit masks: bit n is capability n.
// Decision R7 says in which order a child calls these, and why no other order works.

namespace reeve::sandbox {

struct CapabilitySets {
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t inheritable = 0;
};

Result<CapabilitySets> ReadCapabilities();
Status WriteCapabilities(const CapabilitySets& sets);

// The inheritable set becomes `wanted`, the others stay.
Status SetInheritable(uint64_t wanted);
// The ambient set becomes exactly `wanted`. REQUIRES: wanted is permitted and inheritable.
Status SetAmbient(uint64_t wanted);
// Nothing but `kept` can be gained by exec any more. Needs CAP_SETPCAP.
Status DropBoundingSet(uint64_t kept = 0);
// Root's number means nothing any more, and nobody can change that. Needs CAP_SETPCAP.
Status LockSecurebits();
// Real, effective, saved ids and the supplementary groups, all at once.
Status BecomeUser(uid_t uid, gid_t gid, std::span<const gid_t> groups);
// The same, and then there is no way back to root. Nothing is done when this process is that user already and so is not
// root's.
Status BecomeUserForGood(uid_t uid, gid_t gid, std::span<const gid_t> groups);
// Fails if this process can become root again, or of root's group. `gid` is its own group; some users' is root's.
Status AssertNotRootAgain(gid_t gid);
// Ambient and inheritable set become empty (after exec).
Status ClearInheritedCapabilities();

}  // namespace reeve::sandbox
