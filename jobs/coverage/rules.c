/* rules: see rules.h. docs/coverage.md has the same list for users; a test compares. */
#include "jobs/coverage/rules.h"
#include <string.h>

const char *const rule_names[] = {
    [RULE_UNCOVERED_WORKLOAD] = "uncovered-workload",
    [RULE_UNCOVERED_ALERT] = "uncovered-alert",
    [RULE_ORPHAN_DOCUMENT] = "orphan-document",
    [RULE_SKELETON_DOCUMENT] = "skeleton-document",
    [RULE_DEAD_COVER] = "dead-cover",
    [RULE_DEAD_LINK] = "dead-link",
    [RULE_DEAD_RUNBOOK_URL] = "dead-runbook-url",
    [RULE_STALE_DOCUMENT] = "stale-document",
    [RULE_UNKNOWN_OWNER] = "unknown-owner",
    [RULE_UNTESTED_RUNBOOK] = "untested-runbook",
    [RULE_FAILING_TEST] = "failing-test",
    [RULE_UNPROVEN_RUNBOOK] = "unproven-runbook",
    [RULE_UNREADABLE_FILE] = "unreadable-file",
    [RULES] = NULL,
};
const char *const rule_levels[] = {"off", "note", "warning", "error", NULL};

static const struct {
    int level;
    const char *help;
} rules[] = {
    [RULE_UNCOVERED_WORKLOAD] = {FINDING_ERROR,
                                 "No runbook or document is named after this workload or lists it in `covers`."},
    [RULE_UNCOVERED_ALERT] = {FINDING_ERROR, "No runbook or document covers this alert: by `covers`, a trigger, its "
                                             "file name, or the rule's runbook_url."},
    [RULE_ORPHAN_DOCUMENT] = {FINDING_WARNING, "What this document covers does not exist in the manifests and alert "
                                               "rules that were read."},
    [RULE_SKELETON_DOCUMENT] = {FINDING_WARNING,
                                "This document is as `hikeshi coverage --fix` made it: it covers, and says "
                                "nothing."},
    [RULE_DEAD_COVER] = {FINDING_WARNING, "An entry of `covers` names nothing that exists; others do."},
    [RULE_DEAD_LINK] = {FINDING_WARNING, "A link inside the repository leads to no file, or to no heading of it."},
    [RULE_DEAD_RUNBOOK_URL] = {FINDING_WARNING, "The alert is covered, but its runbook_url leads to no document: who "
                                                "follows it when the pager goes off finds nothing."},
    [RULE_STALE_DOCUMENT] = {FINDING_WARNING, "What this document covers has changed long after the document was last "
                                              "touched."},
    [RULE_UNKNOWN_OWNER] = {FINDING_WARNING, "hikeshi/teams.yaml has no team of this name: nobody is told."},
    [RULE_UNTESTED_RUNBOOK] = {FINDING_NOTE, "No *.test.yaml runs this runbook; `hikeshi run --record` writes a first "
                                             "case."},
    [RULE_FAILING_TEST] = {FINDING_WARNING, "A test of this runbook does not pass."},
    [RULE_UNPROVEN_RUNBOOK] = {FINDING_WARNING, "The server has not seen a run of this runbook succeed, or not for a "
                                                "long time."},
    [RULE_UNREADABLE_FILE] = {FINDING_WARNING, "This file could not be read as YAML or as a runbook, so nothing in it "
                                               "was counted."},
};

int rule_default(enum rule rule)
{
    return rules[rule].level;
}

bool rule_is_gap(const char *name)
{
    return strcmp(name, rule_names[RULE_UNCOVERED_WORKLOAD]) == 0 ||
           strcmp(name, rule_names[RULE_UNCOVERED_ALERT]) == 0;
}

const char *rule_help(const char *name)
{
    for (size_t i = 0; i < RULES; i++)
        if (strcmp(rule_names[i], name) == 0)
            return rules[i].help;
    return NULL;
}
