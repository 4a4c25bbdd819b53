#include "base/result.h"

#include <cerrno>

namespace reeve {

std::unexpected<Error> FailErrno(const std::string& tried) {
  const int system_errno = errno;
  return std::unexpected<Error>(Error::System(system_errno, tried));
}

}  // namespace reeve
