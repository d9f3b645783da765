/* run: one execution of a runbook at one commit. The state machine (a table), the queue, leases, and events of runners.
 *
 * States, results and reasons: run_states.def. Every transition happens inside one store job and publishes to the feed.
 */
#ifndef JOBS_RUN_H
#define JOBS_RUN_H

#include "jobs/jobs.h"

struct catalog_set;
struct runbook;

/* What starts a run. `start_key` makes it once: the same key never makes a second run (NULL = no such key). */
struct run_start {
    const char *repository, *runbook;      /* runbook id */
    const char *trigger_kind, *trigger_id; /* incident schedule link manual */
    const char *start_key;
    const char *incident, *alert; /* ids or NULL */
    const char *requested_kind, *requested_name;
    json_t *params;                             /* already validated: runbook_bind_params() */
    json_t *incident_snapshot, *alert_snapshot; /* what the steps see; or NULL */
    const char *suppressed;                     /* NULL, or the reason to record it as suppressed and never run */
    const char *rerun_of;
    json_t *done; /* what a rerun leaves out (run_again.h), or NULL */
    /* What a person said about it, or NULL; then cooldown, max_runs and breaker do not count this time. */
    const char *why;
    /* Where run_insert() appends what to tell run_stopped_all() of after the commit: runs that this one replaces.
     * Borrowed; NULL: nobody could tell their runners, and nothing is replaced. */
    json_t *stopped;
    /* The catalog `runbook` is of: its modules are pinned with the run. Borrowed; may be NULL. */
    struct catalog_set *set;
};
/* Inside a store job: inserts run + steps, timeline entry and outbox; *ret_id (g_free) is NULL when start_key was
 * taken. `runbook` is pinned: its commit and steps are stored with the run. */
bool run_insert(struct store_tx *tx, const struct runbook *runbook, const struct run_start *start, char **ret_id,
                GError **error);

struct run_service *run_service_new(struct jobs *jobs, GError **error); /* recovers leases of a crash */
void run_service_free(struct run_service *service);
/* After a commit that inserted or queued runs: hands them to waiting leases and tells the feed. Loop thread. */
void run_queue_kick(struct jobs *jobs);

/* API. POST /runs {"runbook","params","reason","incident","alert"}: with an incident (and one of its alerts), params
 * are also taken from it, and the run is its. Idempotency-Key arrives as request.idempotency_key. */
void run_start_request(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* The same for a form behind a link: {"runbook","params","reason"}; the runbook's trigger of kind link says who may. */
void run_start_link(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void run_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* product shape */
void run_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void run_cancel(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* body {"only":"failed","unknown":"run|skip","reason"} */
void run_rerun(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* body {"step","as":"ok|failed|rerun","reason"} */
void run_resolve(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* Stored events after request.after (a number) for the log, at most request.limit (default 1000):
 * {"items":[{"n","attempt","seq","at","kind","step",…}],"next":n,"ended":bool}. Event shapes: docs/design/wire.md; the
 * server's own have seq null. The feed publishes the same objects, with "run", on "run:ID", "incident:ID" and "all". */
void run_log(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

/* Inside a store job: stops a run that has not ended; `reason` is one of run_states.def, `text` what the timeline says.
 * One that is running (*ret_running) ends when its runner has proved that it did. After the commit: run_stopped() on
 * the loop. */
bool run_stop(struct store_tx *tx, const char *run, const char *reason, const char *text, bool *ret_running,
              GError **error);
void run_stopped(struct jobs *jobs, const char *run, const char *reason, bool running);
/* The same of a list of [{"run","reason","running"}]. */
void run_stopped_all(struct jobs *jobs, const json_t *stopped);
/* Inside a store job: a run in product shape, all of it. New reference, or NULL. */
json_t *run_view(struct store_tx *tx, const char *base_url, const char *id, GError **error);

/* Runner protocol (docs/design/wire.md), ROLE_RUNNER only. run_lease answers when there is work or after LEASE_POLL_MS
 * with a NULL result (204); request.peer_pid is the worker's process, when it is one of this machine.
 * run_lease_cancel() ends the poll that was begun with that arg, if it still waits, from within: nobody reads its
 * answer. */
void run_lease(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void run_lease_cancel(struct jobs *jobs, const void *arg);
void run_confirm(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void run_events(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void run_renew(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif
