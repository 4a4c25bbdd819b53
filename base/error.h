#pragma once

#include <string>
#include <utility>

namespace reeve {

// What kind of failure it was, where a caller acts on the difference. Everything else is in the text.
enum class Code {
  kInvalidArgument,  // the caller's or the user's input is wrong
  kNotFound,
  kDenied,       // policy or permission
  kTooLarge,     // a limit was met
  kUnavailable,  // try again later
  kTimedOut,
  kClosed,       // the peer went away
  kBadMessage,   // the peer broke the protocol
  kUnsupported,  // this kernel or build has not got it
  kSystem,       // a system call failed; system_errno() says how
};

// Why something failed: what was tried, on what, and why, as one line without a full stop:
// `open /dev/vport0p1: Permission denied`.
class Error {
 public:
  Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  // The error of a failed system call: "<tried>: <strerror(system_errno)>". The code follows from
  // the number (ENOENT is kNotFound, EACCES and EPERM are kDenied, EAGAIN is kUnavailable, the rest kSystem).
  static Error System(int system_errno, const std::string& tried);

  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // The errno of the system call that failed, or 0.
  int system_errno() const { return system_errno_; }

  // The same error seen from further up: "<context>: <message>".
  Error Within(const std::string& context) const;

 private:
  Code code_;
  int system_errno_ = 0;
  std::string message_;
};

// The C library's text for an errno, thread-safe.
std::string ErrnoText(int system_errno);

}  // namespace reeve
