/* fresh: what is known about documents besides that they exist: how old they are against what they cover, who owns
 * them, whether their tests pass, when they last ran. */
#ifndef JOBS_COVERAGE_FRESH_H
#define JOBS_COVERAGE_FRESH_H

#include "jobs/coverage/coverage.h"
#include "jobs/coverage/say.h"

/* What others know. Each may be NULL: then nothing is said about it. */
struct fresh_evidence {
    const char *teams_path;    /* hikeshi/teams.yaml; need not be there */
    const json_t *test_report; /* what `hikeshi test --format json` printed */
    GHashTable *runs;          /* a runbook's file → int64_t*, ms since 1970 of its last success, 0 = none */
};

/* Says stale-document (from Git history), unknown-owner, untested-runbook, failing-test, unproven-runbook about the
 * documents and subjects of the coverage. *ret_note (g_free) becomes a line for people when something could not be
 * known: NULL when not. */
void fresh_findings(const struct coverage *coverage, const struct fresh_evidence *evidence, const struct say *say,
                    char **ret_note);

#endif
