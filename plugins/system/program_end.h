#pragma once

#include <cstdint>
#include <string>

#include "reeve/plugin.hpp"

namespace reeve::system {

// What became of a program that the agent was asked to run. Plain value.
struct ProgramEnd {
  enum class Kind : uint8_t {
    kRefused,   // it does not run: `refusal` says why
    kExited,    // `value` is its exit code
    kKilled,    // `value` is the signal
    kTimedOut,  // ended at its rule's timeout: what it asked for may happen all the same
    kUnknown,   // nobody saw its end
  };
  Kind kind = Kind::kUnknown;
  int32_t value = 0;
  std::string output;  // both streams as they came, without a line feed at the end; the first 1 KiB
  plugin::Refusal refusal;

  bool is_success() const { return kind == Kind::kExited && value == 0; }
  // The guest has no such program, or none that may be run.
  bool is_missing() const;
};

// What the host is told of a program that did not do its work, in qemu-ga's words:
// `child process has failed to shutdown: Failed to talk to init daemon.` `action` is "shutdown".
std::string FailureText(const std::string& action, const std::string& program, const ProgramEnd& end);

// The same without a frame, for a list of what was tried: what it said, else how it ended.
std::string ShortFailure(const ProgramEnd& end);

// The status that goes with a failure: policy's refusals are REEVE_ERROR_DENIED.
int32_t FailureStatus(const ProgramEnd& end);

}  // namespace reeve::system
