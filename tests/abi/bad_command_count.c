/* More commands than any plugin may have. */
#define BAD_COMMAND_COUNT 100000
#include "bad_plugin.h"
