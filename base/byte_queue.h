#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace reeve {

// Bytes on their way out, in order, kept in blocks: it grows without ever copying what it holds, and gives
// memory back as it is consumed. A 64 MiB reply stands in memory once. Not thread-safe.
class ByteQueue {
 public:
  // Blocks grow up to this with what the queue holds, or are as large as what is appended whole.
  static constexpr size_t kBlockBytes = 256 * 1024;

  ByteQueue() = default;
  // What was moved from is empty.
  ByteQueue(ByteQueue&& other) noexcept;
  ByteQueue& operator=(ByteQueue&& other) noexcept;

  void Append(std::string_view text);
  void Append(Bytes bytes) { Append(AsText(bytes)); }
  // Takes over all of `other`'s blocks without copying; `other` is empty afterwards.
  void Splice(ByteQueue&& other);

  size_t size() const { return size_; }
  bool is_empty() const { return size_ == 0; }
  // Fills `pieces` with the first bytes, for writev(2); returns how many pieces were used. Valid until the
  // next change.
  size_t Front(std::span<iovec> pieces) const;
  // Drops the first `count` bytes. REQUIRES: count <= size().
  void Consume(size_t count);
  // Keeps the first `size` bytes only. REQUIRES: size <= size().
  void Truncate(size_t size);
  void Clear();

  // Everything as one string, for tests and small replies.
  std::string ToString() const;

 private:
  std::string& RoomyBlock(size_t wanted);
  std::span<const std::string> blocks() const { return std::span(blocks_).subspan(first_); }
  void DropFirstBlock();

  // A queue is moved several times on the way of a request, and mostly has one block: a vector costs nothing to make and to
  // move, a deque two allocations each.
  std::vector<std::string> blocks_;
  size_t first_ = 0;     // blocks before it are gone
  size_t consumed_ = 0;  // of that block
  size_t size_ = 0;
};

}  // namespace reeve
