/* run_private: what the run_*.c files share and nobody else sees. */
#ifndef JOBS_RUN_PRIVATE_H
#define JOBS_RUN_PRIVATE_H

#include "jobs/call.h"
#include "jobs/run.h"
#include "jobs/run_change.h"
#include "jobs/run_guard.h"
#include "jobs/run_step.h"
#include "jobs/view.h"

struct run_queue;
struct run_log;

struct run_service {
    struct jobs *jobs;
    struct run_queue *queue; /* polls and leases */
    struct run_log *log;     /* tells the feed what was committed */
};

/* A run in product shape, all of it. Inside a store job. New reference, or NULL with error. */
json_t *run_view(struct store_tx *tx, const char *base_url, const char *id, GError **error);

struct run_log *run_log_new(struct jobs *jobs, GError **error);
void run_log_free(struct run_log *log);
/* After any commit that added events: publishes what is new. Loop thread. */
void run_log_kick(struct run_log *log);

struct run_queue *run_queue_new(struct jobs *jobs, GError **error);
void run_queue_free(struct run_queue *queue);
/* A commit changed when the queue has to look again by itself (a delay was asked for). */
void run_queue_note_wake(struct run_queue *queue, int64_t wake_at);
/* What a lease's holder is to be told; NULL when nobody wants its run cancelled. */
void run_queue_note_cancel(struct run_queue *queue, const char *run, const char *reason);
/* The lease lives LEASE_MS more from now (its holder was heard), or is over (its run was parked or ended). */
int64_t run_queue_touch(struct run_queue *queue, const char *lease);
void run_queue_drop(struct run_queue *queue, const char *lease);
/* Tests: shorter times than LEASE_POLL_MS, WIRE_CONFIRM_MS and LEASE_MS, for polls from now on and for every lease. */
void run_queue_set_times(struct run_queue *queue, int64_t poll_ms, int64_t confirm_ms, int64_t lease_ms);
/* Some worker polls or renewed lately. */
bool run_queue_runner_seen(const struct run_queue *queue);
void run_queue_metrics(const struct run_queue *queue, json_t *metrics);
/* Every lease of this run is over: it was cancelled or handed on. */
void run_queue_drop_run(struct run_queue *queue, const char *run);

#endif
