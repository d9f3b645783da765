/* run_recover: what becomes of runs whose time came without a runner saying so: leases that ended, delays that are
 * over.
 *
 * Nothing runs twice by itself: a step that was running and is not idempotent becomes unknown, and its run with it. */
#ifndef JOBS_RUN_RECOVER_H
#define JOBS_RUN_RECOVER_H

#include "jobs/jobs.h"

/* Takes the run from its lease, if it is still that lease's, and as (un)confirmed as is said. done comes on the loop;
 * ok false: nothing was written. */
typedef void (*run_recover_fn)(void *arg, const char *lease, bool confirmed, bool ok);
void run_recover_lease(struct jobs *jobs, const char *lease, const char *run, bool confirmed, run_recover_fn done,
                       void *arg);

/* Queues the runs whose delay is over, and notes when the next one is. */
void run_wake_due(struct jobs *jobs);

/* Ends a run of which no job can be made. */
void run_fail(struct jobs *jobs, const char *run, const char *message);

#endif
