/* coverage_evidence: what a coverage cannot read from the repository: reports of tests, and the runs of a server. */
#ifndef CLI_COVERAGE_EVIDENCE_H
#define CLI_COVERAGE_EVIDENCE_H

#include "cli/cli.h"
#include "jobs/coverage/fresh.h"

/* --tests FILE: what `hikeshi test --format json` wrote. NULL without an error when it was not given. */
json_t *coverage_test_report(const struct cli_call *call, GError **error);
/* --server URL: for the coverage's runbooks that the server has in service, when each last succeeded. NULL without an
 * error when it was not given. Asks once a runbook. */
GHashTable *coverage_runs(const struct cli_call *call, const struct coverage *coverage, GError **error);

#endif
