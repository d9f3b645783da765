/* finding_format: lists of findings in the forms that other programs read. Everything in a finding is somebody else's
 * text. */
#ifndef CORE_FINDING_FORMAT_H
#define CORE_FINDING_FORMAT_H

#include "core/finding.h"
#include "core/json.h"

/* GitHub Actions workflow commands (docs.github.com, "Workflow commands for GitHub Actions"): one line a finding,
 * escaped, errors first. GitHub shows 10 of each kind a step: at most 10 are written, *ret_left_out (may be NULL)
 * counts the rest. g_free. */
char *finding_format_github(const struct finding_list *list, size_t *ret_left_out);

/* `text` for a GitHub Actions log, between ::stop-commands:: and its end: nothing in it is taken for a workflow
 * command, because nobody can know the random token that ends it. g_free. */
char *finding_format_github_log(const char *text);

/* SARIF 2.1.0 (OASIS) as GitHub code scanning takes it: relative URIs, rules, partial fingerprints. `category` names
 * the analysis ("hikeshi-coverage"). help: rule id → help text for readers; NULL = the id. GitHub refuses more than
 * 25,000 results: the first of the worst level are written, and a notification counts the rest. New reference. */
json_t *finding_format_sarif(const struct finding_list *list, const char *category,
                             const char *(*help)(const char *rule));

/* Something that is fine, for test reports. */
struct finding_passed {
    const char *name, *file;
};

/* JUnit XML as GitLab, Jenkins and others read it: a test case for each finding (failed; skipped for a note) and each
 * of `passed`. A case is named after the finding's subject, so that a report can be compared with the one before.
 * g_free. */
char *finding_format_junit(const struct finding_list *list, const char *suite, const struct finding_passed *passed,
                           size_t passed_count);

#endif
