/* Another plugin than its manifest says. */
#define BAD_ID "org.reeve.other"
#include "bad_plugin.h"
