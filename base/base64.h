#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

// Base64 (RFC 4648, section 4) in pieces of any size, for values that are too large to stand in memory twice.
// Not thread-safe. Both classes keep their buffer, which is as large as the largest piece they were given.

namespace reeve {

class Base64Encoder {
 public:
  // The text of what is complete so far; valid until the next call. Bytes that fill no group of three wait.
  std::string_view Encode(Bytes piece);
  // The text of what waits, with padding. The encoder can then be used for another value.
  std::string_view Finish();

 private:
  char* Room(size_t group_count);

  std::string text_;
  uint8_t waiting_[3] = {};
  size_t waiting_count_ = 0;
};

// Takes what hosts send: CR and LF anywhere, and the last group must be whole (`=` included) and must end the
// value.
class Base64Decoder {
 public:
  // qemu-ga's text for whatever is wrong with a value.
  static constexpr std::string_view kInvalid = "Base64 data contains invalid characters";

  // The bytes of what is complete so far; valid until the next call. Characters that fill no group of four
  // wait. Fails with kInvalidArgument; after that only destruction is allowed.
  [[nodiscard]] Result<Bytes> Decode(std::string_view piece);
  // Fails when the last group was not whole. The decoder can then be used for another value.
  [[nodiscard]] Status Finish();

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
