/* settings: hikeshi/coverage.yaml. */
#ifndef JOBS_COVERAGE_SETTINGS_H
#define JOBS_COVERAGE_SETTINGS_H

#include "jobs/coverage/manifest.h"
#include "jobs/coverage/rules.h"

/* Every key optional: docs/coverage.md lists them. */
struct coverage_settings {
    char **ignore_globs; /* globs */
    GPtrArray *ignore;   /* the same, compiled: GPatternSpec* */
    json_t *url_prefixes;
    struct manifest_rules rules;
    int levels[RULES]; /* enum finding_level, or RULE_OFF */
    int64_t stale_after_ms, run_within_ms;
};
/* Reads the file; a missing one (path NULL or not there) gives the defaults. ERROR_CONFIG with every problem. */
struct coverage_settings *coverage_settings_read(const char *path, GError **error);
/* The same from a text; `path` names it in messages. */
struct coverage_settings *coverage_settings_parse(const char *text, size_t length, const char *path, GError **error);
void coverage_settings_free(struct coverage_settings *settings);

typedef struct coverage_settings coverage_settings;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(coverage_settings, coverage_settings_free)

#endif
