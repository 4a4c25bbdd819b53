#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace reeve::warden {

// The numbers from which sandboxed programs take theirs: each belongs to one program until that was seen to be gone. Whether
// a process has it nonetheless is looked at before each use (sandbox::IsUidInUse).
class ProgramUids {
 public:
  ProgramUids() = default;
  ProgramUids(uint32_t first, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) free_.push_back(first + i);
  }

  // The one that has been free longest; nothing when all are taken.
  std::optional<uint32_t> Take() {
    if (free_.empty()) return std::nullopt;
    const uint32_t uid = free_.front();
    free_.pop_front();
    return uid;
  }
  void GiveBack(uint32_t uid) { free_.push_back(uid); }

 private:
  std::deque<uint32_t> free_;
};

}  // namespace reeve::warden
