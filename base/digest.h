#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace reeve {

// FNV-1a: the same in every build, so it may be kept in files and their names. It notices what was torn or damaged, and
// tells texts apart; against forgers it is nothing.
constexpr uint64_t DigestOf(Bytes bytes) {
  uint64_t digest = 0xcbf29ce484222325u;
  for (const uint8_t byte : bytes) digest = (digest ^ byte) * 0x100000001b3u;
  return digest;
}

}  // namespace reeve
