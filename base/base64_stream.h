#pragma once

#include <algorithm>
#include <string_view>

#include "base/base64.h"

namespace reeve {

// Writes `bytes` as base64 to `sink`, without a copy where it gives room. A Sink has
//   Reserve(wanted) -> {char* data, size}   at least 1 and at most `wanted` characters; size 0: it takes no
//   more Commit(count) -> bool                   false: it takes no more Write(std::string_view) -> bool
// False when the sink takes no more. Bytes that fill no group of three wait in `encoder`: end with
// FinishBase64To.
template <typename Sink>
[[nodiscard]] bool EncodeBase64To(Sink& sink, Base64Encoder& encoder, Bytes bytes) {
  // Less room than that (the tail of a ring) is not worth encoding into: it is filled through a copy.
  constexpr size_t kSmallRoom = 256;
  char small[kSmallRoom];
  while (!bytes.empty()) {
    const auto room = sink.Reserve(Base64Encoder::Room(bytes.size()));
    if (room.size == 0) return false;
    const bool is_small = room.size < kSmallRoom;
    const size_t count = std::min(bytes.size(), Base64Encoder::PieceFor(is_small ? kSmallRoom : room.size));
    const size_t written = encoder.Encode(bytes.first(count), is_small ? small : room.data);
    if (!sink.Commit(is_small ? 0 : written)) return false;
    if (is_small && !sink.Write(std::string_view(small, written))) return false;
    bytes = bytes.subspan(count);
  }
  return true;
}

template <typename Sink>
[[nodiscard]] bool FinishBase64To(Sink& sink, Base64Encoder& encoder) {
  char tail[Base64Encoder::Room(0)];
  return sink.Write(std::string_view(tail, encoder.Finish(tail)));
}

}  // namespace reeve
