// Lets an exception out of create.
#include <stdexcept>

#define BAD_CREATE_BODY throw std::runtime_error("thrown in create");
#include "bad_plugin.h"
