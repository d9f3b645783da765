/* delivery_work: a delivery on its way from the database to its end; and the queue that it belongs to. For
 * delivery_work.c and delivery_queue.c only. */
#ifndef JOBS_DELIVERY_WORK_H
#define JOBS_DELIVERY_WORK_H

#include "core/http_client.h"
#include "core/loop.h"
#include "jobs/delivery_job.h"
#include "jobs/delivery_private.h"

struct delivery_queue {
    struct delivery_service *service; /* NULL: stopping; work under way only frees itself */
    struct jobs *jobs;
    struct loop_timer *timer; /* the next look that nothing else causes */
    GHashTable *flying;       /* seq → struct delivery_work */
    GHashTable *failures;     /* seq → how often it failed for a reason of its own */
    GHashTable *paused;       /* source name → loop time until which nothing is fetched */
    int64_t cursor;           /* fresh deliveries up to this seq were taken */
    int64_t retry_ms, trouble_ms;
    bool wanted, wanted_due; /* there may be fresh deliveries; deliveries for another try */
    bool pulling, resting;   /* a read is under way; nothing is read until the timer */
    guint fetching;          /* works that wait for an API */
    int64_t hold_until_ms;   /* loop time until which the first load of the catalog is waited for */
    int references;          /* the service's, one for each work and read */
};

struct delivery_work {
    struct delivery_queue *queue;
    bool again; /* not fresh: the cursor does not follow it */
    struct http_call *call;
    int64_t fetch_until_ms; /* loop time; 0 = nothing was asked yet */
    struct delivery_job job;
};

/* Takes it through all stages; ends with one of the next two. Loop thread. */
void delivery_work_start(struct delivery_work *work);

/* The work is over and freed; the next deliveries are looked for. */
void delivery_queue_ended(struct delivery_work *work);
/* The same for one that is still 'received' after a failure: everything rests a moment, then it comes again. */
void delivery_queue_failed(struct delivery_work *work);

#endif
