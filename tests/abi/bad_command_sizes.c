/* Commands of different sizes: nobody could step through them. */
#define BAD_COMMANDS                            \
  {sizeof(reeve_command), 0, STR("bad-one")}, { \
    48, 0, STR("bad-two")                       \
  }
#include "bad_plugin.h"
