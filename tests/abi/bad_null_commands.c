/* Counts commands and has none. */
#define BAD_COMMAND_ARRAY 0
#include "bad_plugin.h"
