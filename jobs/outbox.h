/* outbox: messages that leave, written in the transaction that causes them, sent later with retry and backoff.
 *
 * A dead endpoint never delays or changes a run. One channel kind is one file in jobs/notify/ and one line in outbox.c.
 */
#ifndef JOBS_OUTBOX_H
#define JOBS_OUTBOX_H

#include "jobs/jobs.h"

struct outbox_service *outbox_service_new(struct jobs *jobs, GError **error);
void outbox_service_free(struct outbox_service *service);

/* Inside a store job: says that an incident or run changed in a way channels may tell. event: "run_started",
 * "run_ended", "run_waiting", "step_ended", "note", "approval_requested", "approval_decided", "incident_resolved",
 * "message". Rows coalesce per (channel, incident) where the channel keeps one live message. run and incident may be
 * NULL. */
bool outbox_add(struct store_tx *tx, const char *event, const char *incident, const char *run, json_t *detail,
                GError **error);
/* The same for one channel. *ret_known: there is one of this name that this incident may be told on. */
bool outbox_add_to(struct store_tx *tx, const char *channel, const char *event, const char *incident, const char *run,
                   json_t *detail, bool *ret_known, GError **error);
/* What a run of an incident of this source (or NULL: of none) may tell: {NAME: null | why it cannot be used}. Loop
 * thread. New reference. */
json_t *outbox_channels(struct jobs *jobs, const char *source);
/* Wakes the sender after a commit. Loop thread. */
void outbox_kick(struct jobs *jobs);
/* Inside a store job: adds how many messages wait and how many were given up, for /metrics. */
bool outbox_counts(struct store_tx *tx, json_t *metrics, GError **error);
void outbox_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif
