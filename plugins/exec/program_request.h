#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "reeve/plugin.hpp"

namespace reeve::exec {

// The program that a host asks for, by guest-exec or exec-run. Plain value.
struct ProgramRequest {
  plugin::Program program;
  std::string input;  // for its standard input, when `program.streams` says that it has one

  const std::string& path() const { return program.arguments.front(); }
};

// Reads the arguments path, arg, env and input-data; `output_streams` is of REEVE_STREAM_*. Fails with kInvalidArgument
// and the host's text.
[[nodiscard]] Result<ProgramRequest> ReadProgramRequest(const plugin::Arguments& arguments, uint32_t output_streams);

// GLib's text, typographic quotes and all: hosts show it, and some look for the errno's text in it.
std::string FailedToExecute(const std::string& path, const std::string& why);

}  // namespace reeve::exec
