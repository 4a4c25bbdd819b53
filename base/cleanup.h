#pragma once

#include <utility>

namespace reeve {

// The undo, written beside the deed. Runs at the end of the scope unless it was cancelled:
//
//   Cleanup kill = [&] { child.Kill(); };
//   ...
//   kill.Cancel();  // all went well
template <typename Undo>
class Cleanup {
 public:
  Cleanup(Undo undo) : undo_(std::move(undo)) {}  // NOLINT(google-explicit-constructor): reads as a sentence
  Cleanup(const Cleanup&) = delete;
  Cleanup& operator=(const Cleanup&) = delete;
  ~Cleanup() {
    if (is_armed_) undo_();
  }

  void Cancel() { is_armed_ = false; }

 private:
  Undo undo_;
  bool is_armed_ = true;
};

}  // namespace reeve
