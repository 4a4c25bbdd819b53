#pragma once

#include <expected>
#include <string>
#include <type_traits>
#include <utility>

#include "base/error.h"

// The one way to fail: a function that can fail returns Result<T>. Nothing of ours throws; where a library does,
// it is caught in the file that calls it. Whoever gives up logs the error, once; whoever cannot decide passes it on:
//
//   Result<UniqueFd> OpenPort(const std::string& path) {
//     UniqueFd port = REEVE_TRY(sys::Open(path, O_RDWR | O_CLOEXEC));
//     return port;
//   }

namespace reeve {

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

[[nodiscard]] inline std::unexpected<Error> Fail(Code code, std::string message) {
  return std::unexpected<Error>(Error(code, std::move(message)));
}
[[nodiscard]] inline std::unexpected<Error> Fail(Error error) {
  return std::unexpected<Error>(std::move(error));
}
// The failure of the system call just made; reads errno.
[[nodiscard]] std::unexpected<Error> FailErrno(const std::string& tried);

namespace result_internal {
template <typename T>
T Take(Result<T>&& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
}  // namespace result_internal

}  // namespace reeve

// The value of a Result, or return its error from the enclosing function.
#define REEVE_TRY(expression)                                                      \
  __extension__({                                                                  \
    auto reeve_try_result = (expression);                                          \
    if (!reeve_try_result) [[unlikely]]                                            \
      return std::unexpected<::reeve::Error>(std::move(reeve_try_result).error()); \
    ::reeve::result_internal::Take(std::move(reeve_try_result));                   \
  })
