#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/result.h"
#include "reeve/plugin.hpp"

namespace reeve::file {

// Reads a file at its position and writes the host's answer to guest-file-read while it reads: a large file
// passes through one small buffer. Not thread-safe; keeps its buffer.
class FileReader {
 public:
  static constexpr int64_t kDefaultCount = 4096;
  static constexpr int64_t kMaxCount = 48 << 20;  // qemu-ga's limit
  // Fits a second-level cache beside its base64.
  static constexpr size_t kPieceBytes = 192 * 1024;

  // Reads until `count` bytes are there, the file ends or (a pipe) nothing more is there now. On success the
  // reply is finished. Fails with qemu-ga's texts; then what was written to `reply` is to be dropped, and
  // where the file has a position it is where it was.
  [[nodiscard]] Status Read(int fd, int64_t count, plugin::Reply& reply);

 private:
  // How far a read got.
  struct Progress {
    uint64_t bytes = 0;
    bool is_at_end = false;   // the end was met
    bool is_starved = false;  // a pipe has no more now
  };
  Result<Progress> FillBuffer(int fd, uint64_t wanted);
  Status Answer(int fd, uint64_t count, plugin::Reply& reply);
  Status Continue(int fd, uint64_t wanted, Base64Encoder& encoder, Progress& so_far, plugin::Reply& reply);
  Bytes Buffered(uint64_t count) const { return AsBytes(std::string_view(buffer_).substr(0, count)); }

  std::string buffer_;
};

}  // namespace reeve::file
