/* Nothing to create it with. */
#define BAD_CREATE 0
#include "bad_plugin.h"
