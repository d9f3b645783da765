/* yaml_write: JSON values as YAML 1.2 text that people like to read and yaml_parse() reads back as the same value (but
 * for NUL, which YAML cannot hold: it becomes U+FFFD). */
#ifndef CORE_YAML_WRITE_H
#define CORE_YAML_WRITE_H

#include "core/json.h"

/* Block style, keys in the order of the object; short lists and maps of scalars on one line, longer texts of several
 * lines as literal blocks. Ends with a newline. g_free. */
char *yaml_write(const json_t *value);
/* On one line: [find, /var/log, -name, "*.gz"]. g_free. */
char *yaml_write_flow(const json_t *value);

#endif
