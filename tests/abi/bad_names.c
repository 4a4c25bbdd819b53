/* A command that the manifest does not name. */
#define BAD_COMMANDS                            \
  {sizeof(reeve_command), 0, STR("bad-one")}, { \
    sizeof(reeve_command), 0, STR("bad-three")  \
  }
#include "bad_plugin.h"
