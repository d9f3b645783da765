/* lint_rules: see the header. */
#include "jobs/lint_rules.h"
#include <string.h>

const struct lint_rule lint_rules[] = {
#define X(id, level, help) {id, FINDING_##level, help},
#include "jobs/lint_rules.def"
#undef X
    {NULL, FINDING_NOTE, NULL},
};

const char *lint_rule_help(const char *id)
{
    for (const struct lint_rule *rule = lint_rules; rule->id; rule++)
        if (strcmp(rule->id, id) == 0)
            return rule->help;
    return NULL;
}
