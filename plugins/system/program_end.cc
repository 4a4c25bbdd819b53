#include "plugins/system/program_end.h"

#include <cerrno>

#include "base/error.h"

namespace reeve::system {

namespace {

std::string Behind(const std::string& text, const std::string& more) {
  return more.empty() ? text : text + ": " + more;
}

}  // namespace

bool ProgramEnd::is_missing() const {
  return kind == Kind::kRefused && (refusal.error_number == ENOENT || refusal.error_number == EACCES);
}

std::string FailureText(const std::string& action, const std::string& program, const ProgramEnd& end) {
  const std::string failed = "child process has failed to " + action + ": ";
  switch (end.kind) {
    case ProgramEnd::Kind::kRefused:
      if (end.refusal.error_number == 0) return end.refusal.text;
      return failed + "failed to exec '/sbin/" + program + "': " + ErrnoText(end.refusal.error_number);
    case ProgramEnd::Kind::kExited:
      return failed + ShortFailure(end);
    case ProgramEnd::Kind::kTimedOut:
      return failed + program + " " + ShortFailure(end);
    case ProgramEnd::Kind::kKilled:
    case ProgramEnd::Kind::kUnknown:
      break;
  }
  return Behind("child process has terminated abnormally", end.output);
}

std::string ShortFailure(const ProgramEnd& end) {
  switch (end.kind) {
    case ProgramEnd::Kind::kRefused:
      return end.refusal.error_number == 0 ? end.refusal.text : ErrnoText(end.refusal.error_number);
    case ProgramEnd::Kind::kExited:
      return end.output.empty() ? "exit status " + std::to_string(end.value) : end.output;
    case ProgramEnd::Kind::kTimedOut:
      return Behind("did not end in time", end.output);
    case ProgramEnd::Kind::kKilled:
      return Behind("was ended by signal " + std::to_string(end.value), end.output);
    case ProgramEnd::Kind::kUnknown:
      break;
  }
  return Behind("ended without a status", end.output);
}

int32_t FailureStatus(const ProgramEnd& end) {
  const bool is_refused = end.kind == ProgramEnd::Kind::kRefused && end.refusal.error_number == 0;
  return is_refused ? REEVE_ERROR_DENIED : REEVE_ERROR_FAILED;
}

}  // namespace reeve::system
