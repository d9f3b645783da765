/* run_guard: the limits of a runbook that decide whether a run starts: concurrency, lock, cooldown, max_runs, breaker.
 * Inside a store job. */
#ifndef JOBS_RUN_GUARD_H
#define JOBS_RUN_GUARD_H

#include "jobs/run.h"
#include "jobs/runbook.h"

struct run_guard {
    char *key;     /* runs with this key count together; NULL = no limit applies. g_free */
    int64_t limit; /* at most so many have begun and not ended; 0 = any number. Enforced where leases are granted */
    const char *suppressed; /* reason not to run at all, or NULL; static */
};

/* Decides for a start that is about to be inserted. */
bool run_guard_check(struct store_tx *tx, const struct runbook *runbook, const struct run_start *start,
                     struct run_guard *ret, GError **error);

/* `overflow: replace`: stops the oldest runs that are too many beside `run`, which was just inserted; it begins when
 * they have ended. Appends to start->stopped. */
bool run_guard_replace(struct store_tx *tx, const struct runbook *runbook, const struct run_start *start,
                       const struct run_guard *guard, const char *run, GError **error);

#endif
