/* owners: what each owner has and misses, for the reports that people read. */
#ifndef JOBS_COVERAGE_OWNERS_H
#define JOBS_COVERAGE_OWNERS_H

#include "jobs/coverage/coverage.h"

struct owner {
    char *name;
    size_t all, covered;
    GPtrArray *missing; /* const struct subject*: those without a runbook */
};

/* struct owner*, by name; free with g_ptr_array_unref(). */
GPtrArray *owners_of(const struct coverage *coverage);

/* A name from a file, without what a terminal or a page would act upon. g_free. */
char *owner_plain(const char *text);

#endif
