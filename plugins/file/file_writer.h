#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/base64.h"
#include "base/result.h"
#include "plugins/file/open_file.h"

namespace reeve::file {

// Writes what a host sends as base64 at a file's position, piece by piece. Nothing is kept back: what is
// written is with the kernel, and a full disk is the error of the write that met it. Not thread-safe; keeps
// its buffer.
class FileWriter {
 public:
  using IsCancelled = std::function<bool()>;

  // Text that is decoded at once. 1 MiB of data with a line end each 76 characters fits, so that the pieces
  // in which hosts write are decoded once; a longer text is checked whole before its first byte is written,
  // and decoded twice.
  static constexpr size_t kPieceChars = 1536 * 1024;

  // Writes the first `count` of the decoded bytes, all without one. Returns how many. Fails with qemu-ga's
  // texts, and before anything is written where the arguments are wrong or the file would grow above its
  // limit.
  [[nodiscard]] Result<uint64_t> Write(const OpenFile& file, std::string_view base64, std::optional<int64_t> count,
                                       const IsCancelled& is_cancelled);

 private:
  Result<uint64_t> DecodedBytes(std::string_view base64);
  Status WriteDecoded(int fd, std::string_view base64, uint64_t count, const IsCancelled& is_cancelled);

  Base64Decoder decoder_;
  Bytes only_piece_;  // in decoder_, when the text was one piece
};

}  // namespace reeve::file
