/* coverage: which workloads and alerts have a runbook or document, and which documents cover nothing.
 *
 * Reads folders from disk; needs no server. What a change touches (jobs/coverage/changes.h) needs Git. */
#ifndef JOBS_COVERAGE_COVERAGE_H
#define JOBS_COVERAGE_COVERAGE_H

#include "jobs/coverage/index.h"
#include "jobs/coverage/scan.h"

/* A workload or alert, and what covers it. */
struct subject_answer {
    const struct subject *subject;
    GArray *by;     /* struct coverage_by; empty: a gap */
    GArray *starts; /* struct coverage_start */
    bool dead_url;  /* its runbook_url leads to no document, by the prefixes */
};

struct document_answer {
    const struct document *document;
    bool orphan;     /* covers nothing that exists */
    GPtrArray *dead; /* const char*: entries of `covers` that name nothing; of an orphan too */
};

struct coverage_count {
    size_t all, covered;
};

struct changes;

struct coverage {
    GPtrArray *inputs;               /* struct input*, held: own what the answers borrow */
    GPtrArray *subjects;             /* struct subject_answer*, in the order of the files */
    GPtrArray *documents;            /* struct document_answer*, by file */
    GPtrArray *skipped;              /* struct input*, borrowed: those with a reason */
    struct coverage_count counts[2]; /* by enum subject_kind */
    char *new_root, *new_folder; /* where new documents belong: a repository, and a folder relative to it; or NULL */
    struct changes *changes;     /* NULL unless they were asked for; then the rest is what they touch */
};

void subject_answer_free(struct subject_answer *answer);

/* Judges inputs that were read. Holds them. */
struct coverage *coverage_judge(const GPtrArray *inputs, const struct coverage_settings *settings);
struct coverage_options {
    const char *since; /* a revision: only what changed since HEAD left it (changes.h); or NULL */
    bool strict;       /* keep all skipped files among what changed */
    bool render;       /* charts and kustomizations: render.h */
};
/* Reads the scan's inputs and judges them. NULL: ERROR_INVALID, ERROR_IO. */
struct coverage *coverage_read(struct scan *scan, const struct coverage_settings *settings,
                               const struct coverage_options *options, GError **error);
void coverage_free(struct coverage *coverage);
/* Of workloads and alerts together, 0 to 100; 100 when there is nothing to cover. */
double coverage_percent(const struct coverage *coverage);

/* The stable JSON of docs/coverage.md. New reference. */
json_t *coverage_to_json(const struct coverage *coverage);

typedef struct coverage coverage_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(coverage_t, coverage_free)

#endif
