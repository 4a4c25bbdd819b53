/* Needs a newer agent. */
#define BAD_MIN_MINOR 99
#include "bad_plugin.h"
