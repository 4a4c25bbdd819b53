#include "plugins/exec/stream_capture.h"

#include <algorithm>

#include "base/sys.h"

namespace reeve::exec {

void StreamCapture::Drain(std::span<uint8_t> scratch, const MayKeep& may_keep) {
  for (size_t turn_bytes = 0; turn_bytes < kMaxBytesPerTurn && !is_ended_;) {
    const Result<size_t> got = sys::Read(pipe_.get(), scratch);
    if (!got && got.error().code() == Code::kUnavailable) return;
    is_ended_ = !got || *got == 0;  // an error of a pipe is its end: there is nothing more to come
    if (is_ended_) return;
    Keep(scratch.first(*got), may_keep);
    turn_bytes += *got;
  }
}

// Once something was thrown away nothing that follows is kept: what the host gets is a beginning, without
// holes.
void StreamCapture::Keep(Bytes bytes, const MayKeep& may_keep) {
  const size_t count = is_truncated_ ? 0 : std::min(bytes.size(), max_bytes_ - kept_.size());
  const bool is_kept = count > 0 && may_keep(count);
  if (is_kept) kept_ += AsText(bytes.first(count));
  if (!is_kept || count < bytes.size()) is_truncated_ = true;
}

void StreamCapture::Close() {
  pipe_.Reset();
  kept_.shrink_to_fit();
}

}  // namespace reeve::exec
