#pragma once

#include <expected>
#include <string>

#include "base/result.h"

namespace reeve::warden {

// Why a worker does not get what it asked for; what kRefused carries. `error_number` is 0 when no errno fits.
struct Refusal {
  int error_number = 0;
  std::string text;

  static Refusal Of(const Error& error) { return {error.system_errno(), error.message()}; }
};

template <typename T>
using Granted = std::expected<T, Refusal>;

}  // namespace reeve::warden
