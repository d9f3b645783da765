/* delivery_private: what the delivery_*.c files share and nobody else sees. */
#ifndef JOBS_DELIVERY_PRIVATE_H
#define JOBS_DELIVERY_PRIVATE_H

#include "jobs/delivery.h"
#include "jobs/labels.h"

struct delivery_queue;

struct delivery_service {
    struct jobs *jobs;
    GPtrArray *sources; /* struct source*; immutable after start: read by other threads */
    struct label_rules *rules;
    struct delivery_queue *queue;
    int64_t received, repeated, refused, malformed, busy; /* since start, for /metrics */
};

struct source *delivery_source(const struct delivery_service *service, const char *name); /* or NULL */

/* What is done with deliveries after they were answered: delivery_queue.c. */
struct delivery_queue *delivery_queue_new(struct delivery_service *service);
/* Stops; work under way ends by itself and is taken up again at the next start. */
void delivery_queue_free(struct delivery_queue *queue);
/* New deliveries were committed. Loop thread. */
void delivery_queue_kick(struct delivery_queue *queue);
/* A delivery is to be worked on again that was before. Loop thread. */
void delivery_queue_kick_due(struct delivery_queue *queue);
size_t delivery_queue_flying(const struct delivery_queue *queue);
/* Tests: how long a delivery waits for its second try, and everything after a failure. */
void delivery_queue_set_times(struct delivery_queue *queue, int64_t retry_ms, int64_t trouble_ms);

#endif
