/* anchors: the names inside a markdown file that a link's #fragment can lead to. */
#ifndef JOBS_COVERAGE_ANCHORS_H
#define JOBS_COVERAGE_ANCHORS_H

#include "jobs/markdown.h"

/* Of every heading as GitHub makes it (and {#name} as Hugo reads it), and of id= and name= in raw HTML. Strings with
 * g_free. */
GHashTable *anchors_of(const struct markdown *markdown);

#endif
