#include "base/byte_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace reeve {

namespace {

// The smallest block: most replies are a line of this length or less.
constexpr size_t kSmallBlockBytes = 256;
// Up to this it is cheaper to copy bytes than to take over their blocks.
constexpr size_t kCopyBytes = 4096;

}  // namespace

ByteQueue::ByteQueue(ByteQueue&& other) noexcept
    : blocks_(std::move(other.blocks_)),
      first_(std::exchange(other.first_, 0)),
      consumed_(std::exchange(other.consumed_, 0)),
      size_(std::exchange(other.size_, 0)) {}

ByteQueue& ByteQueue::operator=(ByteQueue&& other) noexcept {
  if (this == &other) return *this;
  blocks_ = std::exchange(other.blocks_, {});
  first_ = std::exchange(other.first_, 0);
  consumed_ = std::exchange(other.consumed_, 0);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

// The last block when it has room left, else a new one that is made for `wanted` bytes. A full block never
// grows: growing would copy it.
std::string& ByteQueue::RoomyBlock(size_t wanted) {
  if (blocks_.empty() || blocks_.back().size() == blocks_.back().capacity()) {
    const size_t usual = std::clamp(size_, kSmallBlockBytes, kBlockBytes);
    blocks_.emplace_back().reserve(std::max(wanted, usual));
  }
  return blocks_.back();
}

void ByteQueue::Append(std::string_view text) {
  while (!text.empty()) {
    std::string& block = RoomyBlock(text.size());
    const size_t count = std::min(text.size(), block.capacity() - block.size());
    block.append(text.substr(0, count));
    size_ += count;
    text.remove_prefix(count);
  }
}

void ByteQueue::Splice(ByteQueue&& other) {
  REEVE_CHECK(this != &other);
  if (other.size_ <= kCopyBytes) {
    size_t skipped = other.consumed_;
    for (const std::string& block : other.blocks()) {
      Append(std::string_view(block).substr(skipped));
      skipped = 0;
    }
    other.Clear();
    return;
  }
  if (is_empty()) {
    *this = std::move(other);
    return;
  }
  // Only the first block of a queue may be partly consumed.
  other.blocks_[other.first_].erase(0, other.consumed_);
  for (std::string& block : std::span(other.blocks_).subspan(other.first_)) blocks_.push_back(std::move(block));
  size_ += other.size_;
  other.Clear();
}

size_t ByteQueue::Front(std::span<iovec> pieces) const {
  size_t used = 0;
  size_t skipped = consumed_;
  for (const std::string& block : blocks()) {
    if (used == pieces.size()) break;
    if (block.size() > skipped) {
      // iovec is writev(2)'s and readv(2)'s, so it cannot say const; nobody writes through it.
      pieces[used++] = {const_cast<char*>(block.data()) + skipped, block.size() - skipped};
    }
    skipped = 0;
  }
  return used;
}

void ByteQueue::Consume(size_t count) {
  REEVE_CHECK(count <= size_);
  size_ -= count;
  if (size_ == 0) return Clear();
  consumed_ += count;
  while (consumed_ >= blocks().front().size()) {
    consumed_ -= blocks().front().size();
    DropFirstBlock();
  }
}

// Its memory goes at once; the places of those that are gone go when they are half of all.
void ByteQueue::DropFirstBlock() {
  blocks_[first_++] = std::string();
  if (first_ * 2 < blocks_.size()) return;
  blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
}

void ByteQueue::Truncate(size_t size) {
  REEVE_CHECK(size <= size_);
  if (size == 0) return Clear();
  while (size_ - size >= blocks_.back().size()) {
    size_ -= blocks_.back().size();
    blocks_.pop_back();
  }
  blocks_.back().resize(blocks_.back().size() - (size_ - size));
  size_ = size;
}

void ByteQueue::Clear() {
  // One block of ordinary size stays for what comes next, so that a queue of small lines does not allocate.
  if (blocks_.size() == 1 && blocks_.front().capacity() <= kBlockBytes) {
    blocks_.front().clear();
  } else {
    blocks_ = {};
  }
  first_ = 0;
  consumed_ = 0;
  size_ = 0;
}

std::string ByteQueue::ToString() const {
  std::string text;
  text.reserve(size_);
  size_t skipped = consumed_;
  for (const std::string& block : blocks()) {
    text.append(block, skipped);
    skipped = 0;
  }
  return text;
}

}  // namespace reeve
