/* Finds at activation that it cannot work here. */
#define BAD_ACTIVATE_BODY return REEVE_ERROR_NOT_FOUND;
#include "bad_plugin.h"
