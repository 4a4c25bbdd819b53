#pragma once

#include <string_view>

#include "base/result.h"

namespace reeve::helpers {

// What was read up to its end, without the end mark of contract.h. Fails when there is none: who wrote it died before it was done. Pure.
Result<std::string_view> WholeInput(std::string_view read);

}  // namespace reeve::helpers
