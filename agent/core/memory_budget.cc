#include "agent/core/memory_budget.h"

#include <malloc.h>

namespace reeve::core {
namespace {

// For all that is not asked for here: each of the few largest requests that there is room for stands twice while it is
// passed on to its worker, or its id echoed.
constexpr uint64_t kReserveBytes = 208ull << 20;
// Larger buffers are mapped by themselves.
constexpr size_t kLargestFromHeap = 16ull << 20;
// Less is soon used again, and each page that comes back costs a fault.
constexpr uint64_t kMuchBytes = 16ull << 20;

}  // namespace

bool MemoryBudget::HasRoom(size_t more_bytes) const {
  if (limit_bytes_ == 0) return true;
  const struct mallinfo2 heap = ::mallinfo2();
  // What is free amid the heap counts against the limit too, and is of use only for what is not large.
  if (heap.arena + heap.hblkhd + more_bytes + kReserveBytes <= limit_bytes_) return true;
  return more_bytes <= kLargestFromHeap && heap.fordblks >= 4 * kLargestFromHeap;
}

void MemoryBudget::GiveBack() const {
  if (::mallinfo2().fordblks >= kMuchBytes) ::malloc_trim(0);
}

}  // namespace reeve::core
