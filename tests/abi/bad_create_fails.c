/* Does not want to be created. */
#define BAD_CREATE_BODY return REEVE_ERROR_UNSUPPORTED;
#include "bad_plugin.h"
