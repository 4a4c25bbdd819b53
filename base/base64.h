#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

// Base64 (RFC 4648, section 4) in pieces of any size, for values that are too large to stand in memory twice.
// Not thread-safe.

namespace reeve {

class Base64Encoder {
 public:
  // How much room `Encode` needs for a piece of that size, whatever waits from before; `Finish` needs
  // Room(0).
  static constexpr size_t Room(size_t piece_bytes) { return (piece_bytes + 4) / 3 * 4 + 1; }
  // The largest piece for which that much room is enough. REQUIRES: room_chars >= Room(0).
  static constexpr size_t PieceFor(size_t room_chars) { return (room_chars - 1) / 4 * 3 - 2; }

  // Writes the text of what is complete so far to `place`; returns its length. Bytes that fill no group of
  // three wait.
  size_t Encode(Bytes piece, char* place);
  // Writes the text of what waits, with padding. The encoder can then be used for another value.
  size_t Finish(char* place);

 private:
  uint8_t waiting_[3] = {};
  size_t waiting_count_ = 0;
};

// Keeps a buffer as large as the largest piece it was given. Takes what hosts send: CR and LF anywhere, and
// the last group must be whole (`=` included) and must end the value.
class Base64Decoder {
 public:
  // qemu-ga's text for whatever is wrong with a value.
  static constexpr std::string_view kInvalid = "Base64 data contains invalid characters";

  // The bytes of what is complete so far; valid until the next call. Characters that fill no group of four
  // wait. Fails with kInvalidArgument; after that only destruction is allowed.
  [[nodiscard]] Result<Bytes> Decode(std::string_view piece);
  // Fails when the last group was not whole. The decoder can then be used for another value.
  [[nodiscard]] Status Finish();
  // Forgets a value that was begun; the buffer stays.
  void Reset();
  // The same, and what the buffers hold is overwritten: it was a secret.
  void Wipe();

 private:
  std::string_view WithoutLineEnds(std::string_view piece);
  bool CompleteWaiting(std::string_view& rest);
  bool DecodeGroups(std::string_view groups);

  std::string stripped_;
  std::string bytes_;
  size_t byte_count_ = 0;
  char waiting_[4] = {};
  size_t waiting_count_ = 0;
  bool is_ended_ = false;  // padding was seen
};

// A whole value at once, for small ones.
std::string Base64Encode(Bytes bytes);
[[nodiscard]] Result<std::string> Base64Decode(std::string_view text);

}  // namespace reeve
