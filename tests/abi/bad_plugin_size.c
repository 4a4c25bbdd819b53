/* Changes the size that the agent told it. */
#define BAD_CREATE_BODY plugin->struct_size = 4096;
#include "bad_plugin.h"
