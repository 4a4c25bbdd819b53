#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "base/result.h"
#include "plugins/file/open_file.h"

namespace reeve::file {

// Which handle is which open file. A handle belongs to the channel that opened it: to another it does not
// exist. Numbers only go up and are never used again. Not thread-safe.
class HandleTable {
 public:
  // What open-files of the manifest leaves room for.
  static constexpr size_t kMaxHandles = 256;

  // Handles are given from `first`, `count` of them in the life of this table.
  HandleTable(uint64_t first, uint64_t count) : next_(first), end_(first + count) {}

  // Fails with kTooLarge when the table is full or the numbers are used up: to be asked before a file is
  // opened.
  [[nodiscard]] Status CheckRoom() const;
  [[nodiscard]] Result<int64_t> Add(uint32_t channel, OpenFile file);
  // The file, lent until it is removed. Fails with kNotFound and qemu-ga's text.
  [[nodiscard]] Result<const OpenFile*> Find(uint32_t channel, int64_t handle) const;
  [[nodiscard]] Result<OpenFile> Remove(uint32_t channel, int64_t handle);
  size_t size() const { return files_.size(); }

 private:
  struct Entry {
    uint32_t channel;
    OpenFile file;
  };
  std::map<int64_t, Entry> files_;
  uint64_t next_;
  uint64_t end_;
};

}  // namespace reeve::file
