/* run_reap: what the commands of a lost worker may have left on hosts: noted with the run's recovery, given to the next
 * worker that polls, who looks, stops it and says so.
 *
 * A look may be taken twice, by two workers: markers carry the attempt, so it stops nothing that a later one runs.
 * Until the last host of a run was looked at, or given up, the run is not granted again. */
#ifndef JOBS_RUN_REAP_H
#define JOBS_RUN_REAP_H

#include "jobs/jobs.h"
#include "jobs/store/store.h"

/* Inside a store job: notes the hosts where a command of the run's attempt was begun and not ended. row: the run's. */
bool run_reap_note(struct store_tx *tx, const json_t *row, GError **error);
/* Inside a store job: gives the next ones that are due to a worker: {"run","attempt","hosts":[{"host","sudo"}]}, or
 * *ret NULL. Those that were given too often end as not confirmed. */
bool run_reap_next(struct store_tx *tx, const char *worker, json_t **ret, GError **error);
/* What the worker is told: with the hosts as the inventory has them now. Takes reap. */
json_t *run_reap_job(json_t *reap, const json_t *inventory);
/* That worker will not do it. NULL: none of those before a restart will. */
void run_reap_release(struct jobs *jobs, const char *worker);

/* Runner protocol (docs/design/wire.md). */
void run_reaped(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif
