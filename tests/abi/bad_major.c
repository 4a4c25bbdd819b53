/* Of an ABI that does not exist yet. */
#define BAD_MAJOR (REEVE_ABI_MAJOR + 1)
#include "bad_plugin.h"
