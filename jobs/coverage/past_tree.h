/* past_tree: the files of a working tree as they were, as files: what programs can be run on. */
#ifndef JOBS_COVERAGE_PAST_TREE_H
#define JOBS_COVERAGE_PAST_TREE_H

#include "jobs/coverage/past.h"

/* The inputs of the past, rendered: struct input*. Makes a copy of the repository's files in a temporary folder, takes
 * the changes back in it, scans and renders that, and removes it. ERROR_IO, ERROR_TOO_LARGE. */
GPtrArray *past_tree_inputs(const struct past *past, const struct scan *scan, const struct coverage_settings *settings,
                            GError **error);

#endif
