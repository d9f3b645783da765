/* incident: what a source groups: alerts, documents, timeline. Written by deliveries and by runs. */
#ifndef JOBS_INCIDENT_H
#define JOBS_INCIDENT_H

#include "jobs/jobs.h"

void incident_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void incident_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg); /* product shape */

/* Inside a store job: adds a timeline entry (run may be NULL) and queues the channel updates that follow from it. */
bool incident_timeline_add(struct store_tx *tx, const char *incident, const char *kind, const char *actor, const char *text,
                           const char *run, GError **error);
/* Inside a store job: the incident in product shape (alerts included), or NULL with ERROR_NOT_FOUND. New reference. */
json_t *incident_load(struct store_tx *tx, const char *id, GError **error);

#endif
