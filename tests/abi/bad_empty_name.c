/* A command without a name. */
#define BAD_COMMANDS                            \
  {sizeof(reeve_command), 0, STR("bad-one")}, { \
    sizeof(reeve_command), 0, {0, 7}            \
  }
#include "bad_plugin.h"
