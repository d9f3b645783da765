/* run_incident: incidents that runbooks open and resolve. */
#ifndef JOBS_RUN_INCIDENT_H
#define JOBS_RUN_INCIDENT_H

#include "core/json.h"
#include "jobs/store/store.h"

/* Inside a store job: the runner's event becomes a delivery of the source `runbook`, once for each (run, attempt, seq);
 * what follows is what follows on any webhook. row: the run's. The caller kicks the deliveries after the commit. */
bool run_incident_tell(struct store_tx *tx, const json_t *row, const json_t *event, GError **error);

#endif
