/* host_names: many host names as one short text: "web-[1-3,07],db-1". For people; nothing parses it. */
#ifndef CORE_HOST_NAMES_H
#define CORE_HOST_NAMES_H

#include <glib.h>

/* names: char *, of any order, not changed. Names that differ in their last number alone are folded; leading zeros
 * count. g_free. */
char *host_names_fold(const GPtrArray *names);

#endif
