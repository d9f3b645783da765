/* yaml_guard: refuses, before libfyaml sees it, what makes libfyaml take memory or time out of proportion. Measured
 * with 0.7.12 on 8 MiB: it keeps every token of a line until it knows that the line is no key (2.9 GB for a line of
 * '['), keeps a level for each open bracket (1.1 GB), and looks through all %TAG lines at each (minutes). Knows no more
 * of YAML than that: what it counts may also stand in a comment or a text, where so much of it does not occur. */
#ifndef CORE_YAML_GUARD_H
#define CORE_YAML_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* NULL when the text may be parsed, else what is wrong with it (static) and the line, from 1. */
const char *yaml_guard(const char *text, size_t length, int *ret_line);

#endif
