/* gaps: what a coverage is missing, as findings, with a baseline of debt that is known already. */
#ifndef JOBS_COVERAGE_GAPS_H
#define JOBS_COVERAGE_GAPS_H

#include "core/finding.h"
#include "jobs/coverage/coverage.h"

/* A baseline is a set of keys of subjects: "deployment/prod/checkout", "alert/NodeDiskFull". */

/* Reads {"gaps":[NAME…]}. ERROR_IO, ERROR_PARSE. */
GHashTable *baseline_read(const char *path, GError **error);
/* Writes today's gaps, sorted, so that the file reads well in a diff. */
bool baseline_write(const char *path, const struct coverage *coverage, GError **error);

/* Adds: uncovered-workload and uncovered-alert (errors; notes when the baseline, which may be NULL, has them),
 * orphan-document (warning), unreadable-file (warning; errors when strict). */
void gaps_findings(const struct coverage *coverage, const GHashTable *known, bool strict,
                   struct finding_list *findings);
/* Help for a rule id of the above; NULL for others. */
const char *gaps_help(const char *rule);

#endif
