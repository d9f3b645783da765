/* coverage: which workloads and alerts have a runbook or document, and which documents cover nothing.
 *
 * Reads folders from disk; needs no server, no Git history (jobs/coverage/changes.h adds that). */
#ifndef JOBS_COVERAGE_COVERAGE_H
#define JOBS_COVERAGE_COVERAGE_H

#include "core/json.h"
#include "jobs/coverage/manifest.h"
#include <glib.h>
#include <stdbool.h>

/* hikeshi/coverage.yaml: every key optional.
 *   ignore: [GLOB…]              paths that are not looked at
 *   url_prefixes: {URL: FOLDER}  what a runbook_url's beginning stands for, relative to the repository
 *   owner_labels: [owner, team]  severity_labels: [severity, sev]
 *   ignore_kinds: [Job]          workload kinds that need no runbook */
struct coverage_settings {
    GPtrArray *ignore; /* GPatternSpec* */
    json_t *url_prefixes;
    char **ignore_kinds;
    struct manifest_labels labels;
};
/* Reads the file; a missing one (path NULL or not there) gives the defaults. ERROR_CONFIG with every problem. */
struct coverage_settings *coverage_settings_read(const char *path, GError **error);
void coverage_settings_free(struct coverage_settings *settings);

/* Why something is covered. */
struct coverage_by {
    const char *file; /* of a document; owned by it */
    const char *by;   /* name, covers, trigger, runbook_url */
};

struct document {
    char *file, *owner;
    char **covers;
    bool runbook; /* has steps */
    bool orphan;  /* covers nothing that exists */
};

struct coverage {
    struct manifest_set *set;
    GPtrArray *documents;   /* struct document*, by file */
    GPtrArray *workload_by; /* GArray* of struct coverage_by, one for each of set->workloads */
    GPtrArray *alert_by;    /* likewise for set->alerts */
    size_t workloads_covered, alerts_covered;
};

struct coverage_paths {
    char **manifests, **alerts, **runbooks; /* folders or files, NULL-terminated; may be NULL */
};

/* ERROR_INVALID when a given path is not there. Files that cannot be read or parsed are in set->skipped. */
struct coverage *coverage_read(const struct coverage_paths *paths, const struct coverage_settings *settings,
                               GError **error);
void coverage_free(struct coverage *coverage);
/* Of workloads and alerts together, 0 to 100; 100 when there is nothing to cover. */
double coverage_percent(const struct coverage *coverage);

/* The stable JSON of docs/coverage.md. New reference. */
json_t *coverage_to_json(const struct coverage *coverage);

typedef struct coverage coverage_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(coverage_t, coverage_free)

#endif
