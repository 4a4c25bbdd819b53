/* Another version than its manifest says. */
#define BAD_VERSION "2.0.0"
#include "bad_plugin.h"
