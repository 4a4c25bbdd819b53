/* Nothing to call. */
#define BAD_CREATE_BODY plugin->invoke = 0;
#include "bad_plugin.h"
