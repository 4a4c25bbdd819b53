/* Fails without finishing, with a status that does not exist. */
#define BAD_INVOKE_BODY return -4711;
#include "bad_plugin.h"
