#include "plugins/exec/program_request.h"

#include <algorithm>
#include <vector>

#include "base/base64.h"
#include "base/error.h"

namespace reeve::exec {

namespace {

bool HasNul(const std::vector<std::string>& words) {
  return std::ranges::any_of(words, [](const std::string& word) { return word.contains('\0'); });
}

// A word with a NUL in it would be another word for policy than for the kernel.
bool HasNul(const plugin::Program& program) {
  return HasNul(program.arguments) || (program.environment && HasNul(*program.environment));
}

}  // namespace

Result<ProgramRequest> ReadProgramRequest(const plugin::Arguments& arguments, uint32_t output_streams) {
  ProgramRequest request;
  request.input = REEVE_TRY(Base64Decode(arguments.String("input-data")));
  plugin::Program& program = request.program;
  program.arguments = arguments.Strings("arg");
  program.arguments.emplace(program.arguments.begin(), arguments.String("path"));
  if (arguments.Has("env")) program.environment = arguments.Strings("env");
  program.streams = output_streams;
  if (arguments.Has("input-data")) program.streams |= REEVE_STREAM_STDIN;
  program.stdin_bytes = static_cast<uint32_t>(request.input.size());
  if (HasNul(program)) return Fail(Code::kInvalidArgument, FailedToExecute(request.path(), ErrnoText(EINVAL)));
  return request;
}

std::string FailedToExecute(const std::string& path, const std::string& why) {
  return "Failed to execute child process \u201C" + path + "\u201D (" + why + ")";
}

}  // namespace reeve::exec
