/* say: findings by rule and settings: what is off is not said. */
#ifndef JOBS_COVERAGE_SAY_H
#define JOBS_COVERAGE_SAY_H

#include "jobs/coverage/settings.h"

struct say {
    const struct coverage_settings *settings;
    struct finding_list *findings;
};

static inline bool say_wanted(const struct say *say, enum rule rule)
{
    return say->settings->levels[rule] != RULE_OFF;
}
/* about: what the finding is about, for those that compare one analysis with the next. suggestion may be NULL. */
void say_finding(const struct say *say, enum rule rule, const char *file, int line, const char *about,
                 const char *suggestion, const char *format, ...) G_GNUC_PRINTF(7, 8);
/* The same at another level than the settings', unless it is off. */
void say_at(const struct say *say, enum rule rule, enum finding_level level, const char *file, int line,
            const char *about, const char *suggestion, const char *format, ...) G_GNUC_PRINTF(8, 9);

#endif
