#include "agent/wire/ring.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace reeve::wire {
namespace {

// Against a resize, and against more seals: F_SEAL_WRITE would end the writer's side.
constexpr int kRingSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr uint32_t kLargestRingBytes = 64u << 20;

Result<uint32_t> CheckedRingBytes(int ring_fd) {
  const int seals = REEVE_TRY(sys::Seals(ring_fd));
  if ((seals & kRingSeals) != kRingSeals) return Fail(Code::kBadMessage, "a ring could be resized");
  const off_t size = REEVE_TRY(sys::Stat(ring_fd)).st_size;
  if (size <= 0 || size > kLargestRingBytes) return Fail(Code::kBadMessage, "a ring of a size that no ring has");
  return static_cast<uint32_t>(size);
}

}  // namespace

Result<UniqueFd> MakeRing(uint32_t ring_bytes) {
  UniqueFd ring = REEVE_TRY(sys::MemoryFile("reeve-ring", ring_bytes));
  REEVE_TRY(sys::AddSeals(ring.get(), kRingSeals));
  return ring;
}

Result<RingWriter> RingWriter::Create(int ring_fd) {
  const uint32_t ring_bytes = REEVE_TRY(CheckedRingBytes(ring_fd));
  sys::Mapping mapping = REEVE_TRY(sys::Map(ring_fd, ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED));
  return RingWriter(std::move(mapping), ring_bytes);
}

std::span<uint8_t> RingWriter::Reserve(uint32_t wanted) {
  wanted = std::min(wanted, kMaxPieceBytes);
  uint32_t free_end = ring_bytes_;
  if (pieces_.empty()) {
    next_offset_ = 0;  // small traffic touches the same first pages again and again
  } else {
    const uint32_t oldest = pieces_.front().offset;
    const bool is_wrapped = next_offset_ <= oldest;
    // What is left at the end may be too little to be worth a message: then go on at the beginning.
    if (!is_wrapped && ring_bytes_ - next_offset_ < std::min(wanted, kMaxInlineBytes)) next_offset_ = 0;
    if (next_offset_ <= oldest) free_end = oldest;
  }
  reserved_bytes_ = std::min(wanted, free_end - next_offset_);
  return mapping_.writable_bytes().subspan(next_offset_, reserved_bytes_);
}

uint32_t RingWriter::Commit(uint32_t count) {
  REEVE_CHECK(count > 0 && count <= reserved_bytes_);
  const uint32_t offset = next_offset_;
  written_ += count;
  pieces_.push_back({offset, count, written_});
  next_offset_ += count;
  reserved_bytes_ = 0;
  return offset;
}

void RingWriter::Restart() {
  next_offset_ = reserved_bytes_ = 0;
  written_ = consumed_ = 0;
  pieces_.clear();
}

Status RingWriter::Consumed(uint64_t consumed) {
  if (consumed < consumed_ || consumed > written_) return Fail(Code::kBadMessage, "credit for what was never written");
  while (!pieces_.empty() && pieces_.front().end <= consumed) pieces_.pop_front();
  const uint64_t begin = pieces_.empty() ? written_ : pieces_.front().end - pieces_.front().bytes;
  if (consumed != begin) return Fail(Code::kBadMessage, "credit for a part of a piece");
  consumed_ = consumed;
  return {};
}

Result<RingReader> RingReader::Create(int ring_fd) {
  const uint32_t ring_bytes = REEVE_TRY(CheckedRingBytes(ring_fd));
  sys::Mapping mapping = REEVE_TRY(sys::Map(ring_fd, ring_bytes, PROT_READ, MAP_SHARED));
  return RingReader(std::move(mapping), ring_bytes);
}

Status RingReader::CopyOut(uint32_t offset, uint32_t piece_bytes, std::span<uint8_t> into) {
  REEVE_CHECK(into.size() == piece_bytes);
  if (piece_bytes == 0 || piece_bytes > kMaxPieceBytes || offset > ring_bytes_ || piece_bytes > ring_bytes_ - offset)
    return Fail(Code::kBadMessage, "a piece that does not lie in the ring");
  std::memcpy(into.data(), mapping_.bytes().data() + offset, piece_bytes);
  consumed_ += piece_bytes;
  return {};
}

}  // namespace reeve::wire
