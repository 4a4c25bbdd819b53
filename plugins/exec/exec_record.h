#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/unique_fd.h"
#include "plugins/exec/input_feed.h"
#include "plugins/exec/run_call.h"
#include "plugins/exec/stream_capture.h"

namespace reeve::exec {

// How a program ended, as guest-exec-status says it.
struct ProgramEnd {
  int32_t exit_code =
      0;               // 128 + the signal when one ended it: hosts read `exitcode` without asking whether it is there
  int32_t signal = 0;  // 0: it exited
  bool was_timed_out = false;  // ended by the agent at its rule's timeout
};

// When nobody knows how it ended (what should have told it died): a code that no success has.
inline constexpr ProgramEnd kUnknownEnd = {.exit_code = 255};

// One program that the host started: what is open to it while it runs, and what is left of it until the host
// was told.
struct ExecRecord {
  uint64_t serial = 0;  // never used again
  uint32_t channel = 0;
  uint32_t pid = 0;
  uint64_t program = 0;  // names it to the agent
  UniqueFd status{};     // open until its end is known
  std::optional<ProgramEnd> end{};
  std::optional<InputFeed> in{};  // until all is written
  std::optional<StreamCapture> out{};
  std::optional<StreamCapture> err{};
  uint64_t finished_ms = 0;        // running time
  std::unique_ptr<RunCall> run{};  // an exec-run waits for it: no command finds it by its pid

  // The program has ended and everybody who held its output has closed it: a grandchild in the background
  // counts.
  bool is_finished() const { return end && (!out || out->is_ended()) && (!err || err->is_ended()); }
  size_t captured_bytes() const { return (out ? out->bytes().size() : 0) + (err ? err->bytes().size() : 0); }
};

}  // namespace reeve::exec
