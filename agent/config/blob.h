#pragma once

#include <cstdint>
#include <vector>

#include "agent/config/config.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::config {

// The compiled configuration as one flat, offset-based block: a fixed header (magic, layout version, total size, SHA-less
// checksum), then records of fixed size whose variable parts are (offset, count) pairs into the block. It holds no pointer.
// It is the unit of reload and the format of the last good policy.

// No larger blob is written or read.
inline constexpr size_t kMaxBlobBytes = 8u << 20;

Result<std::vector<uint8_t>> Encode(const Config& config);

// `bytes` are not trusted: every offset, count and enum value is checked, nothing is allocated beyond what the block
// itself can hold. Fails with kBadMessage, naming the place.
Result<Config> Decode(Bytes bytes);

// A sealed memory file (no write, no resize) that holds `bytes`; and the way back, which checks the seals first.
Result<UniqueFd> ToSealedFile(Bytes bytes);
Result<Config> FromSealedFile(int fd);

}  // namespace reeve::config
