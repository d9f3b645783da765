/* owners: what each owner has and misses, for the reports that people read. */
#ifndef JOBS_COVERAGE_OWNERS_H
#define JOBS_COVERAGE_OWNERS_H

#include "jobs/coverage/coverage.h"

/* A workload or alert without a runbook. Borrows from the coverage, but for the name. */
struct owner_missing {
    char *name;                          /* "deployment/prod/checkout" */
    const char *file, *severity, *title; /* severity may be NULL; title: what a document would be called */
    int line;
};

struct owner {
    char *name;
    size_t all, covered;
    GPtrArray *missing; /* struct owner_missing* */
};

/* struct owner*, by name; free with g_ptr_array_unref(). */
GPtrArray *owners_of(const struct coverage *coverage);

/* A name from a file, without what a terminal or a page would act upon. g_free. */
char *owner_plain(const char *text);

#endif
