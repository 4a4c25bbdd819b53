// Lets an exception out of a static object's constructor, while it is loaded.
#include <stdexcept>

namespace {
struct Thrower {
  Thrower() { throw std::runtime_error("thrown while loading"); }
};
const Thrower thrower;
}  // namespace

#include "bad_plugin.h"
