#pragma once

#include <cstdint>

#include "reeve/json.hpp"

namespace reeve::exec {

// What guest-exec's capture-output asks of reeve.agent.run/1: true and `separated` capture both streams,
// `merged` both in one, `stdout` and `stderr` that one; false, `none` and nothing (nullptr) capture none. Of
// REEVE_STREAM_*.
uint32_t CapturedStreams(const plugin::JsonValue* capture_output);

}  // namespace reeve::exec
