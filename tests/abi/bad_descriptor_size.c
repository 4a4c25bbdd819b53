/* A descriptor that ends before create. */
#define BAD_DESCRIPTOR_SIZE 16
#include "bad_plugin.h"
