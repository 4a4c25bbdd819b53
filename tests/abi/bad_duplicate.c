/* The same command twice. */
#define BAD_COMMANDS                            \
  {sizeof(reeve_command), 0, STR("bad-one")}, { \
    sizeof(reeve_command), 0, STR("bad-one")    \
  }
#include "bad_plugin.h"
