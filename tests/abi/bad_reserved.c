/* A reserved field that is set. */
#define BAD_COMMANDS                            \
  {sizeof(reeve_command), 1, STR("bad-one")}, { \
    sizeof(reeve_command), 0, STR("bad-two")    \
  }
#include "bad_plugin.h"
