/* Wants more requests at once than there can be. */
#define BAD_CREATE_BODY plugin->max_concurrency = 1000;
#include "bad_plugin.h"
