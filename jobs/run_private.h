/* run_private: what the run_*.c files share and nobody else sees. */
#ifndef JOBS_RUN_PRIVATE_H
#define JOBS_RUN_PRIVATE_H

#include "jobs/call.h"
#include "jobs/run.h"
#include "jobs/run_change.h"
#include "jobs/run_guard.h"
#include "jobs/run_leases.h"
#include "jobs/run_step.h"
#include "jobs/view.h"

struct run_queue;
struct run_log;

struct run_service {
    struct jobs *jobs;
    struct run_workers *workers; /* who polls and has leases */
    struct run_leases *leases;
    struct run_queue *queue; /* polls and delays */
    struct run_log *log;     /* tells the feed what was committed */
};

/* A run in product shape, all of it. Inside a store job. New reference, or NULL with error. */
json_t *run_view(struct store_tx *tx, const char *base_url, const char *id, GError **error);

/* run.c. Inside a store job: the run that a person asks for with this request, made or, for a repeated Idempotency-Key,
 * found; call->result shows it. Fills in what the call knows of `start`. After the commit: run_start_after(). */
bool run_start_and_view(struct store_tx *tx, struct call *call, const struct runbook *runbook, struct run_start *start,
                        GError **error);
void run_start_after(struct call *call);
/* ERROR_NOT_FOUND, with what may be the reason. */
void run_not_in_service(const struct catalog_set *set, const char *id, GError **error);

struct run_log *run_log_new(struct jobs *jobs, GError **error);
void run_log_free(struct run_log *log);
/* After any commit that added events: publishes what is new. Loop thread. */
void run_log_kick(struct run_log *log);

struct run_queue *run_queue_new(struct jobs *jobs, struct run_workers *workers, struct run_leases *leases);
void run_queue_free(struct run_queue *queue);
/* A commit changed when the queue has to look again by itself (a delay was asked for). */
void run_queue_note_wake(struct run_queue *queue, int64_t wake_at);
/* Its process has ended: nothing is granted to it any more. */
void run_queue_worker_gone(struct run_queue *queue, const char *worker);
/* After the commit that says so: the holder of the run's lease is told soon to cancel it. */
void run_queue_cancel(struct run_queue *queue, const char *run, const char *reason);
size_t run_queue_polls(const struct run_queue *queue);
/* Tests: another time than LEASE_POLL_MS, for polls from now on. */
void run_queue_set_poll_ms(struct run_queue *queue, int64_t poll_ms);

#endif
