#pragma once

#include <cstdint>
#include <deque>
#include <span>

#include "agent/wire/messages.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/sys.h"
#include "base/unique_fd.h"

// One direction of bulk traffic between core and worker: a memory file that both map once. A piece's place is named by
// a message; the positions themselves are kept privately by each side, never in the shared memory. The other side may
// change the memory at any time, so a reader copies a piece before it looks at it. Not thread-safe.

namespace reeve::wire {

// Of each ring, for the warden that makes them. Room for four pieces, so that both sides work at once; more only
// touches more pages and more cache (docs/adr/0003-one-ring-per-direction.md).
inline constexpr uint32_t kRingBytes = 1u << 20;
inline constexpr uint32_t kMaxPieceBytes = 256 * 1024;

// A new ring: `ring_bytes` of zeros, sealed against any change of its size. For the warden.
Result<UniqueFd> MakeRing(uint32_t ring_bytes);

// The writing side. Gives out room and takes it back as the reader's credits come in.
class RingWriter {
 public:
  // Takes the ring's size from the file, after checking its seals: an unsealed file could be shortened under the
  // mapping (SIGBUS). The descriptor stays the caller's and is not needed afterwards.
  static Result<RingWriter> Create(int ring_fd);

  // Room for a piece of at least 1 and at most `wanted` bytes, in one run; empty when the reader is behind. It is the
  // writer's until Commit; another Reserve forgets it.
  std::span<uint8_t> Reserve(uint32_t wanted);
  // The first `count` bytes of the reserved room are a piece; returns its offset. REQUIRES: 0 < count <= reserved.
  uint32_t Commit(uint32_t count);

  // The reader says that it has copied `consumed` bytes since the start. Fails with kBadMessage when that goes back,
  // or ahead of what was written, or ends within a piece.
  Status Consumed(uint64_t consumed);
  bool is_empty() const { return pieces_.empty(); }
  // As if nothing had been written yet: for another reader.
  void Restart();

 private:
  struct Piece {
    uint32_t offset;
    uint32_t bytes;
    uint64_t end;  // of all bytes written, with this piece
  };
  RingWriter(sys::Mapping mapping, uint32_t ring_bytes) : mapping_(std::move(mapping)), ring_bytes_(ring_bytes) {}

  sys::Mapping mapping_;
  uint32_t ring_bytes_;
  uint32_t next_offset_ = 0;
  uint32_t reserved_bytes_ = 0;
  uint64_t written_ = 0;
  uint64_t consumed_ = 0;
  std::deque<Piece> pieces_;  // written and not yet consumed, oldest first
};

// The reading side.
class RingReader {
 public:
  static Result<RingReader> Create(int ring_fd);

  // Copies the piece into `into`, and only then may anyone look at it. Fails with kBadMessage when the place does not
  // lie within the ring. REQUIRES: into.size() == piece_bytes.
  Status CopyOut(uint32_t offset, uint32_t piece_bytes, std::span<uint8_t> into);

  // What to tell the writer: bytes copied since the start.
  uint64_t consumed() const { return consumed_; }
  // Whether the writer should be told in a message of its own: a quarter of the ring was copied since it last was.
  bool owes_credit() const { return consumed_ - told_ >= ring_bytes_ / 4; }
  // consumed() stands in a message that was sent.
  void Told() { told_ = consumed_; }
  // As if nothing had been read yet: for another writer.
  void Restart() { consumed_ = told_ = 0; }

 private:
  RingReader(sys::Mapping mapping, uint32_t ring_bytes) : mapping_(std::move(mapping)), ring_bytes_(ring_bytes) {}

  sys::Mapping mapping_;
  uint32_t ring_bytes_;
  uint64_t consumed_ = 0;
  uint64_t told_ = 0;
};

}  // namespace reeve::wire
