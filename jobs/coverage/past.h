/* past: the files of a scan as they were where HEAD left a revision. What did not change is shared, not read again. */
#ifndef JOBS_COVERAGE_PAST_H
#define JOBS_COVERAGE_PAST_H

#include "jobs/catalog_git_changes.h"
#include "jobs/coverage/scan.h"

struct past {
    char *base; /* the commit, hex */
    struct catalog_git *git;
    GPtrArray *changes;  /* struct catalog_change*: of the whole repository */
    GHashTable *by_path; /* absolute path now → struct catalog_change* */
    GHashTable *by_old;  /* absolute path then → likewise */
};

/* The repository is the one that holds the scan's first place; files of other repositories count as unchanged.
 * ERROR_INVALID: no repository, no such revision, history cut short. */
struct past *past_new(const struct scan *scan, const char *revision, GError **error);
void past_free(struct past *past);

/* Whether a file of the scan is another one than in the past: added, changed or renamed. */
bool past_touches(const struct past *past, const struct input *input);
/* Adds a skipped input to the scan for each changed place that cannot be compared. */
void past_add_unknown(const struct past *past, struct scan *scan);
/* The scan's inputs (which have been read) as of then: struct input*. */
GPtrArray *past_inputs(const struct past *past, const struct scan *scan, const struct coverage_settings *settings);
/* The absolute path in the past of a file that is now at `path`; NULL when there was none. g_free. */
char *past_path(const struct past *past, const char *path);

typedef struct past past_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(past_t, past_free)

#endif
