/* Commands too short to hold a name. */
#define BAD_COMMANDS        \
  {8, 0, STR("bad-one")}, { \
    8, 0, STR("bad-two")    \
  }
#include "bad_plugin.h"
