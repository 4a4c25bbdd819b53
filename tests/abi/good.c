/* What the bad ones are but for one thing. */
#include "bad_plugin.h"
