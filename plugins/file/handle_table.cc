#include "plugins/file/handle_table.h"

#include <string>

namespace reeve::file {

namespace {

std::unexpected<Error> NotFound(int64_t handle) {
  return Fail(Code::kNotFound, "handle '" + std::to_string(handle) + "' has not been found");
}

}  // namespace

Status HandleTable::CheckRoom() const {
  if (files_.size() >= kMaxHandles) {
    return Fail(Code::kTooLarge, "too many open handles: close one of " + std::to_string(kMaxHandles) + " first");
  }
  if (next_ >= end_) return Fail(Code::kTooLarge, "the handle numbers of this file worker are used up");
  return {};
}

Result<int64_t> HandleTable::Add(uint32_t channel, OpenFile file) {
  REEVE_TRY(CheckRoom());
  const auto handle = static_cast<int64_t>(next_++);
  files_.emplace(handle, Entry{channel, std::move(file)});
  return handle;
}

Result<const OpenFile*> HandleTable::Find(uint32_t channel, int64_t handle) const {
  const auto found = files_.find(handle);
  if (found == files_.end() || found->second.channel != channel) return NotFound(handle);
  return &found->second.file;
}

Result<OpenFile> HandleTable::Remove(uint32_t channel, int64_t handle) {
  const auto found = files_.find(handle);
  if (found == files_.end() || found->second.channel != channel) return NotFound(handle);
  OpenFile file = std::move(found->second.file);
  files_.erase(found);
  return file;
}

}  // namespace reeve::file
