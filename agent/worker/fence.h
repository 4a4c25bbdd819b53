#pragma once

#include <cstdint>
#include <exception>

#include "base/log.h"
#include "reeve/plugin.h"

namespace reeve::worker {

// Calls into a plugin. An exception that a plugin lets out ends here: it is logged and becomes REEVE_ERROR_FAILED.
// What the plugin breaks in memory or never returns from is the process's own end, and the warden's to see.
template <typename Call>
int32_t Fenced(Call call) {
  try {
    return call();
  } catch (const std::exception& exception) {
    LogError(exception.what());
  } catch (...) {
    LogError("the plugin let out an exception of no known type");
  }
  return REEVE_ERROR_FAILED;
}

}  // namespace reeve::worker
