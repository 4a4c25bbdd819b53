/* Never comes back from activate: the warden ends it after 5 s. */
#define BAD_ACTIVATE_BODY                    \
  for (volatile int forever = 1; forever;) { \
  }
#include "bad_plugin.h"
