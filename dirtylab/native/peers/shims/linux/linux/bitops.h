/* See shim_linux.h. */
#include "shim_linux.h"
