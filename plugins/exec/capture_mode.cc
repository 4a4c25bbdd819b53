#include "plugins/exec/capture_mode.h"

#include "reeve/plugin.h"

namespace reeve::exec {

uint32_t CapturedStreams(const plugin::JsonValue* capture_output) {
  if (capture_output == nullptr) return 0;
  const std::string_view mode = capture_output->raw();
  if (mode == "true" || mode == "\"separated\"") return REEVE_STREAM_STDOUT | REEVE_STREAM_STDERR;
  if (mode == "\"merged\"") return REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED;
  if (mode == "\"stdout\"") return REEVE_STREAM_STDOUT;
  if (mode == "\"stderr\"") return REEVE_STREAM_STDERR;
  return 0;
}

}  // namespace reeve::exec
