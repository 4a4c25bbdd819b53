/* One command more than the manifest names. */
#define BAD_COMMANDS                                                                        \
  {sizeof(reeve_command), 0, STR("bad-one")}, {sizeof(reeve_command), 0, STR("bad-two")}, { \
    sizeof(reeve_command), 0, STR("bad-three")                                              \
  }
#define BAD_COMMAND_COUNT 3
#include "bad_plugin.h"
