/* rules: what coverage can say, as a table: the id of each finding, how bad it is unless the settings say otherwise,
 * and what it means. */
#ifndef JOBS_COVERAGE_RULES_H
#define JOBS_COVERAGE_RULES_H

#include "core/finding.h"

enum rule {
    RULE_UNCOVERED_WORKLOAD,
    RULE_UNCOVERED_ALERT,
    RULE_ORPHAN_DOCUMENT,
    RULE_SKELETON_DOCUMENT,
    RULE_DEAD_COVER,
    RULE_DEAD_LINK,
    RULE_DEAD_RUNBOOK_URL,
    RULE_STALE_DOCUMENT,
    RULE_UNKNOWN_OWNER,
    RULE_UNTESTED_RUNBOOK,
    RULE_FAILING_TEST,
    RULE_UNPROVEN_RUNBOOK,
    RULE_UNREADABLE_FILE,
    RULES,
};
enum { RULE_OFF = -1 };

extern const char *const rule_names[];  /* by enum rule, ends with NULL */
extern const char *const rule_levels[]; /* "off", then by enum finding_level; ends with NULL */
int rule_default(enum rule rule);       /* enum finding_level, or RULE_OFF */
bool rule_is_gap(const char *name);     /* of the two that --min and baselines judge */
/* Help for the id of one; NULL for others. */
const char *rule_help(const char *name);

#endif
