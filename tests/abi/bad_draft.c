/* Of another draft of the ABI. */
#define BAD_DRAFT (REEVE_ABI_DRAFT + 1)
#include "bad_plugin.h"
