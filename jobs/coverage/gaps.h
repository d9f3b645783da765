/* gaps: what a coverage is missing, as findings, with a baseline of debt that is known already. */
#ifndef JOBS_COVERAGE_GAPS_H
#define JOBS_COVERAGE_GAPS_H

#include "jobs/coverage/coverage.h"
#include "jobs/coverage/say.h"

/* A baseline is a set of keys of subjects: "deployment/prod/checkout", "alert/NodeDiskFull". */

/* Reads {"gaps":[NAME…]}. ERROR_IO, ERROR_PARSE. */
GHashTable *baseline_read(const char *path, GError **error);
/* Writes today's gaps, sorted, so that the file reads well in a diff. */
bool baseline_write(const char *path, const struct coverage *coverage, GError **error);

/* Says what is not covered (a note when the baseline, which may be NULL, has it), what covers nothing, and what could
 * not be read (an error when strict). */
void gaps_findings(const struct coverage *coverage, const GHashTable *known, bool strict, const struct say *say);

#endif
