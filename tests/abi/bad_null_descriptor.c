/* Succeeds without a descriptor. */
#define BAD_QUERY_BODY *out = 0;
#include "bad_plugin.h"
