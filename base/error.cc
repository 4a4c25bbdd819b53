#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace reeve {
namespace {

Code CodeOf(int system_errno) {
  switch (system_errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return Code::kNotFound;
    case EACCES:
    case EPERM:
      return Code::kDenied;
    case EAGAIN:
      return Code::kUnavailable;
    case EPIPE:
    case ECONNRESET:
      return Code::kClosed;
    case ENOSYS:
      return Code::kUnsupported;
    default:
      return Code::kSystem;
  }
}

}  // namespace

std::string ErrnoText(int system_errno) {
  char buffer[128];
  return strerror_r(system_errno, buffer, sizeof buffer);  // the GNU form returns the text
}

Error Error::System(int system_errno, const std::string& tried) {
  Error error(CodeOf(system_errno), tried + ": " + ErrnoText(system_errno));
  error.system_errno_ = system_errno;
  return error;
}

Error Error::Within(const std::string& context) const {
  Error error = *this;
  error.message_ = context + ": " + message_;
  return error;
}

}  // namespace reeve
