/* incident_close: a run that was verified asks the incident's sender to resolve it (`resolve: verified`). What the
 * sender does then comes back as a delivery like any other: an incident here is resolved by its source alone. */
#ifndef JOBS_INCIDENT_CLOSE_H
#define JOBS_INCIDENT_CLOSE_H

#include "jobs/store/store.h"

/* Inside the store job that ended the run `row` (run_row()) as verified. Asks once nothing of the incident is left to
 * do: no other run of it is under way, and, for a run of one alert, every firing alert's last run was verified too.
 * Else, and when no channel can resolve incidents of this source, says so in the timeline. */
bool incident_close_by_run(struct store_tx *tx, const json_t *row, GError **error);

#endif
