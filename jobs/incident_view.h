/* incident_view: incidents as others of jobs/ need them, inside store jobs. */
#ifndef JOBS_INCIDENT_VIEW_H
#define JOBS_INCIDENT_VIEW_H

#include "jobs/store/store.h"

/* The incident in product shape without timeline and runs: what matching, steps and messages see. New reference, or
 * NULL. */
json_t *incident_load_brief(struct store_tx *tx, const char *id, GError **error);

#endif
