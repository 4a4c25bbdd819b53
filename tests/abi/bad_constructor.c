/* Dies while it is loaded, before any function of it was called. */
__attribute__((constructor)) static void die(void) {
  __builtin_trap();
}
#include "bad_plugin.h"
