#pragma once

#include <cstddef>
#include <cstdint>

namespace reeve::core {

// Whether the core may still take in something large. Requests and replies may be of 64 MiB each and there may be many
// clients, so together they could hold more than the process may have, and an allocation that fails ends it: before it
// comes to that, what is large is refused with an error. Thread-safe.
class MemoryBudget {
 public:
  // Of the whole process (RLIMIT_DATA); 0: without limit.
  explicit MemoryBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // Whether `more_bytes` may be allocated beside all that is held, and leave enough for what is small. Looks through the
  // heap: not to be asked for each small message.
  bool HasRoom(size_t more_bytes) const;

  // Returns to the kernel what is free amid the heap, if it is much: what was freed at the heap's end went already.
  void GiveBack() const;

 private:
  uint64_t limit_bytes_;
};

}  // namespace reeve::core
