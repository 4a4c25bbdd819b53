#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace reeve::check_internal {

void Die(const char* claim, const char* file, int line) {
  std::fprintf(stderr, "reeve: %s:%d: does not hold: %s\n", file, line, claim);
  std::abort();
}

}  // namespace reeve::check_internal
