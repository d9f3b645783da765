/* delivery: one webhook request: authenticate, store durably, answer; then normalise, group into incidents, match,
 * queue. */
#ifndef JOBS_DELIVERY_H
#define JOBS_DELIVERY_H

#include "jobs/jobs.h"
#include "jobs/source.h"

struct delivery_service *delivery_service_new(struct jobs *jobs, GError **error);
void delivery_service_free(struct delivery_service *service);

/* Intake: answers `done` with the HTTP status to send, after the delivery is on disk. The request is borrowed during
 * the call only. done may come at once (refused) or later (stored). *retry_after_s is 0 or a Retry-After to send. */
typedef void (*delivery_answer_fn)(void *arg, int status, int retry_after_s, const char *message);
/* Before the body: true when it may come; else `done` was called. Looks at headers only: whether there is such a
 * source, and its credentials unless they depend on the body. */
bool delivery_admit(struct jobs *jobs, const char *source_name, const struct source_request *headers,
                    delivery_answer_fn done, void *arg);
void delivery_receive(struct jobs *jobs, const char *source_name, const struct source_request *request,
                      delivery_answer_fn done, void *arg);

/* Deliveries that the server wrote itself are worked on. After the commit; loop thread. */
void delivery_kick(struct jobs *jobs);

void delivery_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void delivery_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* Why it did or did not start a run, rule by rule. */
void delivery_explain(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void delivery_replay(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* Adds numbers by name, for /metrics: what intake counted since the start; inside a store job, how many wait to be
 * worked on. */
void delivery_metrics(struct jobs *jobs, json_t *metrics);
bool delivery_counts(struct store_tx *tx, json_t *metrics, GError **error);
void source_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif
