#include "plugins/fsfreeze/trimmer.h"

#include <algorithm>
#include <cerrno>

namespace reeve::fsfreeze {

namespace {

// A run that spans two pieces is seen as two shorter ones: pieces are so much longer than the shortest run that is wanted.
constexpr uint64_t kMinimaPerPiece = 64;

uint64_t PieceBytes(uint64_t minimum_bytes) {
  if (minimum_bytes > UINT64_MAX / kMinimaPerPiece) return UINT64_MAX;
  return std::max(kTrimPieceBytes, minimum_bytes * kMinimaPerPiece);
}

// qemu-ga's texts.
std::string TrimError(const Error& error) {
  const int why = error.system_errno();
  return why == ENOTTY || why == EOPNOTSUPP ? "trim not supported" : "failed to trim: " + ErrnoText(why);
}

}  // namespace

bool TrimGate::BeginPiece(const IsCancelled& is_cancelled) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return is_cancelled() || (!is_closed_ && !has_piece_); });
  if (is_cancelled()) return false;
  has_piece_ = true;
  return true;
}

void TrimGate::EndPiece() {
  const std::lock_guard lock(mutex_);
  has_piece_ = false;
  changed_.notify_all();
}

bool TrimGate::Close(const IsCancelled& is_cancelled) {
  std::unique_lock lock(mutex_);
  is_closed_ = true;
  changed_.wait(lock, [&] { return is_cancelled() || !has_piece_; });
  return !has_piece_;
}

void TrimGate::Open() {
  const std::lock_guard lock(mutex_);
  is_closed_ = false;
  changed_.notify_all();
}

void TrimGate::Wake() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

std::optional<TrimReport> TrimOne(FileSystems& calls, TrimGate& gate, const Target& target, uint64_t minimum_bytes,
                                  const TrimGate::IsCancelled& is_cancelled) {
  TrimReport report{.path = target.mountpoint};
  const Result<UniqueFd> fd = calls.Open(target.mountpoint, target.device);
  if (!fd) {
    report.error = "failed to open: " + ErrnoText(fd.error().system_errno());
    return report;
  }
  const uint64_t piece = PieceBytes(minimum_bytes);
  const uint64_t size = calls.SizeBytes(fd->get()).value_or(0);
  uint64_t trimmed = 0, minimum = minimum_bytes;
  for (uint64_t start = 0;;) {
    // The last piece goes on to wherever the file system ends: its size leaves out what it keeps for itself, and btrfs counts
    // in addresses that lie beyond.
    const bool is_last = size <= piece || start >= size - piece;
    if (!gate.BeginPiece(is_cancelled)) return std::nullopt;
    const Result<TrimRange> done = calls.Trim(fd->get(), {start, is_last ? UINT64_MAX - start : piece, minimum_bytes});
    gate.EndPiece();
    if (!done) {
      report.error = TrimError(done.error());
      return report;
    }
    trimmed += done->length_bytes;
    minimum = std::max(minimum, done->minimum_bytes);
    if (is_last) break;
    start += piece;
  }
  report.trimmed = static_cast<int64_t>(trimmed);
  report.minimum = static_cast<int64_t>(minimum);
  return report;
}

}  // namespace reeve::fsfreeze
