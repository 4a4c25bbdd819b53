/* Does not want this agent. */
#define BAD_QUERY_BODY return REEVE_ERROR_UNSUPPORTED;
#include "bad_plugin.h"
