/* Of a draft of the ABI. */
#define BAD_DRAFT 1
#include "bad_plugin.h"
