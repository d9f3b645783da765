/* finding_format: lists of findings in the forms that other programs read. Everything from a finding is somebody else's
 * text. */
#ifndef CORE_FINDING_FORMAT_H
#define CORE_FINDING_FORMAT_H

#include "core/finding.h"
#include "core/json.h"

/* GitHub Actions workflow commands (docs.github.com, "Workflow commands for GitHub Actions"): one line a finding,
 * escaped, errors first. GitHub shows 10 of each kind a step: at most 10 are written, *ret_left_out (may be NULL)
 * counts the rest. g_free. */
char *finding_format_github(const struct finding_list *list, size_t *ret_left_out);

/* SARIF 2.1.0 as GitHub code scanning takes it: relative URIs, rules, partial fingerprints. `category` names the
 * analysis
 * ("hikeshi-lint"). helps: rule id → help text for readers; NULL = the id. New reference. */
json_t *finding_format_sarif(const struct finding_list *list, const char *category,
                             const char *(*help)(const char *rule));

/* JUnit XML: one test case a finding of level warning and up, failed. `passed` names what is fine (may be empty).
 * g_free. */
char *finding_format_junit(const struct finding_list *list, const char *suite, const char *const *passed);

#endif
