/* run_job: a queued run's way from its rows to the wire's job: loaded inside the grant's store job, made on the loop.
 */
#ifndef JOBS_RUN_JOB_H
#define JOBS_RUN_JOB_H

#include "jobs/catalog.h"
#include "jobs/jobs.h"

/* {"run": row, "plan", "steps": [row…], "approvals": [row…], "decisions": [row…]}. New reference in *ret. */
bool run_job_load(struct store_tx *tx, const char *run, json_t **ret, GError **error);
/* The job without its lease. New reference, or NULL with error: no job can be made of this run. */
json_t *run_job_make(struct jobs *jobs, const struct catalog_set *set, const json_t *found, GError **error);

#endif
