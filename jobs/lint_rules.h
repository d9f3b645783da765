/* lint_rules: the one list of what lint may say: id, level, help. Output formats, `hikeshi lint --rules`, docs/lint.md
 * and the tests read it. */
#ifndef JOBS_LINT_RULES_H
#define JOBS_LINT_RULES_H

#include "core/finding.h"

struct lint_rule {
    const char *id;
    enum finding_level level;
    const char *help;
};

extern const struct lint_rule lint_rules[]; /* ends with id == NULL */
/* NULL: there is no such rule. */
const char *lint_rule_help(const char *id);

#endif
