/* scan: the files of the given folders, found and not yet read. */
#ifndef JOBS_COVERAGE_SCAN_H
#define JOBS_COVERAGE_SCAN_H

#include "jobs/coverage/files.h"
#include "jobs/coverage/input.h"
#include "jobs/coverage/settings.h"

struct scan_paths {
    char **manifests, **alerts, **runbooks; /* folders or files, NULL-terminated; may be NULL */
};

/* A place, and what its files are read as. */
struct scan_place {
    struct place *place;
    enum input_kind kind;
};

struct scan {
    GPtrArray *places; /* struct scan_place*, as they were given: manifests, alerts, runbooks */
    GPtrArray *inputs; /* struct input*, each file once, although folders may overlap */
};

/* may_be_gone: a path that is not there counts as an empty folder; else it is ERROR_INVALID. */
struct scan *scan_new(const struct scan_paths *paths, const struct coverage_settings *settings, bool may_be_gone,
                      GError **error);
void scan_free(struct scan *scan);
/* The input that a file of this absolute path would be if it were there; NULL when the scan would not come to it. */
struct input *scan_input(const struct scan *scan, const struct coverage_settings *settings, const char *path);

typedef struct scan scan_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(scan_t, scan_free)

#endif
