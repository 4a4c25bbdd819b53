#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugins/fsfreeze/file_systems.h"
#include "plugins/fsfreeze/target.h"

namespace reeve::fsfreeze {

// Keeps trims and freezes apart: a trim goes on piece by piece, and none while something is frozen. Thread-safe.
class TrimGate {
 public:
  using IsCancelled = std::function<bool()>;  // may be called with a lock held: it only looks

  // Begins a piece, once the gate is open. False: cancelled meanwhile, there is no piece.
  bool BeginPiece(const IsCancelled& is_cancelled);
  void EndPiece();

  // Closes the gate and waits for the piece that runs. False: cancelled meanwhile; the gate is closed all the same.
  bool Close(const IsCancelled& is_cancelled);
  void Open();
  // Wakes all who wait, to look whether they are cancelled.
  void Wake();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_closed_ = false;
  bool has_piece_ = false;
};

// One file system's, as guest-fstrim says it.
struct TrimReport {
  std::string path;
  std::optional<int64_t> trimmed = std::nullopt;
  std::optional<int64_t> minimum = std::nullopt;
  std::optional<std::string> error = std::nullopt;
};

// So much is trimmed at once: a cancel or a freeze waits for no more than that.
inline constexpr uint64_t kTrimPieceBytes = 1ull << 30;

// Discards what is free on one file system, runs of at least `minimum_bytes`. Nothing: cancelled. May wait for the disk.
std::optional<TrimReport> TrimOne(FileSystems& calls, TrimGate& gate, const Target& target, uint64_t minimum_bytes,
                                  const TrimGate::IsCancelled& is_cancelled);

}  // namespace reeve::fsfreeze
