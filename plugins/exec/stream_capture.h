#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/unique_fd.h"

namespace reeve::exec {

// What a program wrote to one of its streams. Reads all of it, always, so that no program ever waits for a
// full pipe; keeps the first `max_bytes`. Not thread-safe.
class StreamCapture {
 public:
  static constexpr size_t kMaxBytes = 16 << 20;  // qemu-ga's limit
  // Read at once: one busy program does not starve the others of a turn.
  static constexpr size_t kMaxBytesPerTurn = 1 << 20;

  // Asked before bytes are kept: false when there is no room for them in all.
  using MayKeep = std::function<bool(size_t bytes)>;

  explicit StreamCapture(UniqueFd pipe, size_t max_bytes = kMaxBytes)
      : pipe_(std::move(pipe)), max_bytes_(std::min(max_bytes, kMaxBytes)) {}

  // Reads what is there. `scratch` is lent for the call. Once the stream has ended the pipe is still open, to
  // be forgotten by the loop before Close.
  void Drain(std::span<uint8_t> scratch, const MayKeep& may_keep);
  void Close();

  int fd() const { return pipe_.get(); }
  bool is_ended() const { return is_ended_; }
  Bytes bytes() const { return AsBytes(kept_); }
  bool is_truncated() const { return is_truncated_; }

 private:
  void Keep(Bytes bytes, const MayKeep& may_keep);

  UniqueFd pipe_;
  size_t max_bytes_;
  std::string kept_;
  bool is_ended_ = false;
  bool is_truncated_ = false;
};

}  // namespace reeve::exec
