/* run_queue: hands queued runs to polling workers.
 *
 * A worker's poll waits here until a run is queued. A grant is one write; it counts only when the worker confirms it,
 * because a poll whose worker died looks alive. A poll that is known to be nobody's any more leaves at once, and a run
 * that was just granted to it goes back. What lives on after the grant is in run_leases.c. */
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/wire.h"
#include "jobs/job.h"
#include "jobs/outbox.h"
#include "jobs/run_job.h"
#include "jobs/run_private.h"
#include "jobs/run_reap.h"
#include "jobs/run_recover.h"

enum { LOOK_AGAIN_MS = 30 * 1000 }; /* a wall clock that was set: delays are looked at again at least so often */

/* A worker's poll. */
struct poll {
    struct run_queue *queue;
    char *worker;
    struct loop_timer *timer;
    bool granting;   /* a grant for it is under way: it is freed when that ends */
    op_done_fn done; /* NULL: nobody waits for it any more */
    void *arg;
};

struct run_queue {
    struct jobs *jobs;
    struct run_workers *workers;
    struct run_leases *leases;
    GQueue polls;             /* struct poll*, the longest waiting first */
    uint64_t generation;      /* counts kicks: a grant that found nothing looks again when there was one meanwhile */
    struct loop_timer *timer; /* the next delay's end */
    int64_t wake_at;          /* the same, wall clock; 0 = none */
    int64_t poll_ms;
};

/* --- delays --------------------------------------------------------------------------------------------------------
 */

static void arm(struct run_queue *queue)
{
    int64_t left_ms = queue->wake_at - clock_now_ms();
    if (queue->wake_at)
        loop_timer_start(queue->timer, (uint64_t)CLAMP(left_ms, 0, LOOK_AGAIN_MS), 0);
}

void run_queue_note_wake(struct run_queue *queue, int64_t wake_at)
{
    if (wake_at > 0 && (queue->wake_at == 0 || wake_at < queue->wake_at))
        queue->wake_at = wake_at;
    arm(queue);
}

static void due(void *arg)
{
    struct run_queue *queue = arg;
    if (queue->wake_at && queue->wake_at <= clock_now_ms()) {
        queue->wake_at = 0; /* run_wake_due notes the next one */
        run_wake_due(queue->jobs);
    }
    arm(queue);
}

/* --- polls and grants ----------------------------------------------------------------------------------------------
 */

static void poll_free(struct poll *poll)
{
    loop_timer_free(poll->timer);
    g_free(poll->worker);
    g_free(poll);
}

/* Answers, and ends the poll. */
static void poll_answer(struct poll *poll, json_t *job, const GError *error)
{
    op_done_fn done = g_steal_pointer(&poll->done);
    loop_timer_stop(poll->timer);
    g_queue_remove(&poll->queue->polls, poll);
    done(poll->arg, job, error);
    if (!poll->granting)
        poll_free(poll);
}

static void poll_over(void *arg)
{
    struct poll *poll = arg;
    if (!poll->granting)
        poll_answer(poll, NULL, NULL);
}

/* Every poll of this worker ends without a job: it has another one, or is gone. */
static void polls_end(struct run_queue *queue, const char *worker)
{
    for (GList *link = queue->polls.head, *next; link; link = next) {
        struct poll *poll = link->data;
        next = link->next;
        if (strcmp(poll->worker, worker) == 0)
            poll_answer(poll, NULL, NULL);
    }
}

void run_lease_cancel(struct jobs *jobs, const void *arg)
{
    for (GList *link = jobs->runs->queue->polls.head; link; link = link->next) {
        struct poll *poll = link->data;
        if (poll->arg == arg) {
            poll_answer(poll, NULL, NULL);
            return;
        }
    }
}

/* One grant: a queued run, leased to a poll's worker; before any run, hosts that a lost worker left. */
struct grant {
    struct run_queue *queue;
    struct poll *poll;
    struct catalog_set *set;
    uint64_t generation;
    json_t *found; /* {"run": row, "steps": […], "plan": …, "approvals": […]}, NULL when nothing is queued */
    json_t *reap;  /* or hosts to look at */
    char *lease, *process;
    int64_t confirm_ms;
};

static void grant_free(struct grant *grant)
{
    json_decref(grant->found);
    json_decref(grant->reap);
    g_free(grant->lease);
    g_free(grant->process);
    if (grant->set)
        catalog_set_unref(grant->set);
    g_free(grant);
}

static bool grant_job(struct store_tx *tx, void *arg, GError **error)
{
    struct grant *grant = arg;
    g_clear_pointer(&grant->found, json_decref);
    g_clear_pointer(&grant->reap, json_decref);
    g_autoptr(json_t) next = NULL;
    if (!run_reap_next(tx, grant->poll->worker, &grant->reap, error))
        return false;
    if (grant->reap)
        return true;
    if (!store_get(tx, SQL_RUN_NEXT, &next, error, ""))
        return false;
    const char *run = json_get_string(next, "id", NULL);
    if (!run)
        return true;
    int64_t until = clock_now_ms() + grant->confirm_ms;
    return store_exec(tx, SQL_RUN_GRANT, NULL, error, "sssis", run, grant->lease, grant->poll->worker, until,
                      grant->process) &&
           run_job_load(tx, run, &grant->found, error);
}

static void grant_start(struct poll *poll);

/* A run of which no job can be made would be granted for ever: it ends, and says why. */
static void grant_impossible(struct grant *grant, const char *run, const GError *problem)
{
    log_error("no job can be made of a run", "run", run, "error", problem->message, NULL);
    run_fail(grant->queue->jobs, run, problem->message);
}

static json_t *make_job(struct grant *grant, const char *run)
{
    if (grant->reap)
        return run_reap_job(g_steal_pointer(&grant->reap), grant->set ? grant->set->inventory : NULL);
    g_autoptr(GError) problem = NULL;
    json_t *job = run ? run_job_make(grant->queue->jobs, grant->set, grant->found, &problem) : NULL;
    if (problem)
        grant_impossible(grant, run, problem);
    if (job) {
        json_set_string(job, "lease", grant->lease);
        json_object_set_new(job, "lease_ms", json_integer(grant->confirm_ms));
    }
    return job;
}

/* The grant is written. Before a job is made: when none can be, and that cannot be written, the lease's end tries
 * again. */
static void grant_note(struct grant *grant, const char *run)
{
    struct run_leases *leases = grant->queue->leases;
    run_leases_add(leases, grant->lease, run, grant->poll->worker);
    if (!grant->poll->done)
        run_leases_lose(leases, grant->lease);
}

/* What a grant says to the poll it was for. */
static void grant_tell(struct grant *grant, json_t *job)
{
    struct poll *poll = grant->poll;
    if (!poll->done)
        poll_free(poll);
    else if (job)
        poll_answer(poll, job, NULL);
    else if (!loop_timer_active(poll->timer))
        poll_answer(poll, NULL, NULL); /* its time ran out meanwhile */
    else if (grant->generation != grant->queue->generation)
        grant_start(poll); /* something was queued meanwhile */
}

static void grant_done(void *arg, const GError *error)
{
    struct grant *grant = arg;
    const char *run = error ? NULL : json_path_string(grant->found, "run.id");
    if (error)
        log_warn("cannot grant a lease", "error", error->message, NULL);
    if (run)
        grant_note(grant, run);
    if (!error && grant->reap && !grant->poll->done)
        run_reap_release(grant->queue->jobs, grant->poll->worker);
    g_autoptr(json_t) job = grant->poll->done ? make_job(grant, run) : NULL;
    grant->poll->granting = false;
    grant_tell(grant, job);
    grant_free(grant);
}

static void grant_start(struct poll *poll)
{
    struct run_queue *queue = poll->queue;
    if (poll->granting || queue->jobs->draining)
        return;
    poll->granting = true;
    struct grant *grant = g_new0(struct grant, 1);
    grant->queue = queue;
    grant->poll = poll;
    grant->generation = queue->generation;
    grant->lease = crypto_id("lease");
    grant->process = g_strdup(run_workers_process(queue->workers, poll->worker));
    grant->confirm_ms = run_leases_confirm_ms(queue->leases);
    grant->set = queue->jobs->catalog ? catalog_set_ref(catalog_current(queue->jobs->catalog)) : NULL;
    store_write(queue->jobs->store, STORE_NORMAL, grant_job, grant_done, grant);
}

void run_queue_kick(struct jobs *jobs)
{
    struct run_queue *queue = jobs->runs->queue;
    queue->generation++;
    for (GList *link = queue->polls.head, *next; link; link = next) {
        next = link->next;
        grant_start(link->data);
    }
    run_log_kick(jobs->runs->log);
}

void run_lease(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)actor;
    struct run_queue *queue = jobs->runs->queue;
    g_autoptr(GError) error = NULL;
    const char *worker = call_need_string(request, "worker", &error);
    if (!worker) {
        done(arg, NULL, error);
        return;
    }
    run_workers_heard(queue->workers, worker, (pid_t)json_get_integer(request, "peer_pid", 0));
    polls_end(queue, worker);
    struct poll *poll = g_new0(struct poll, 1);
    poll->queue = queue;
    poll->worker = g_strdup(worker);
    poll->done = done;
    poll->arg = arg;
    poll->timer = loop_timer_new(jobs->loop, poll_over, poll);
    loop_timer_start(poll->timer, (uint64_t)queue->poll_ms, 0);
    g_queue_push_tail(&queue->polls, poll);
    grant_start(poll);
}

/* --- confirm and renew ---------------------------------------------------------------------------------------------
 */

static bool confirm_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *run = call_need_string(call->request, "run", error);
    const char *lease = run ? call_need_string(call->request, "lease", error) : NULL;
    g_autoptr(json_t) row = lease ? run_row(tx, run, error) : NULL;
    if (!row)
        return false;
    bool same = g_strcmp0(json_get_string(row, "lease", NULL), lease) == 0 &&
                json_get_integer(row, "attempt", 0) == call_integer(call->request, "attempt", 0, G_MAXINT32);
    int64_t lease_ms = run_leases_lease_ms(call->jobs->runs->leases);
    call->result = json_pack("{s:I}", "lease_ms", (json_int_t)lease_ms);
    if (same && run_row_state(row) == RUN_RUNNING)
        return true; /* said twice */
    if (!same || run_row_state(row) != RUN_QUEUED) {
        errors_set(error, ERROR_CONFLICT, "the lease is over: the run '%s' is not this worker's", run);
        return false;
    }
    struct run_change change = {.event = RUN_EVENT_CONFIRM, .lease_until = clock_now_ms() + lease_ms};
    return run_change(tx, row, &change, error);
}

static void confirm_after(struct call *call)
{
    run_leases_confirm(call->jobs->runs->leases, call_string(call->request, "lease"), call_string(call->request, "run"),
                       call_string(call->request, "worker"));
    run_log_kick(call->jobs->runs->log);
    outbox_kick(call->jobs);
}

void run_confirm(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, confirm_job, confirm_after, done, arg);
}

void run_renew(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)actor;
    struct run_queue *queue = jobs->runs->queue;
    g_autoptr(GError) error = NULL;
    const char *worker = call_need_string(request, "worker", &error);
    if (!worker) {
        done(arg, NULL, error);
        return;
    }
    const json_t *ids = json_object_get(json_object_get(request, "body"), "leases");
    g_autoptr(json_t) leases = json_object();
    size_t index;
    json_t *id;
    json_array_foreach (ids, index, id)
        if (json_is_string(id))
            json_object_set_new(leases, json_string_value(id),
                                run_leases_renew(queue->leases, json_string_value(id), worker));
    run_workers_heard(queue->workers, worker, 0);
    g_autoptr(json_t) answer = json_pack("{s:O}", "leases", leases);
    done(arg, answer, NULL);
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */

void run_queue_worker_gone(struct run_queue *queue, const char *worker)
{
    polls_end(queue, worker);
    run_reap_release(queue->jobs, worker);
}

void run_queue_cancel(struct run_queue *queue, const char *run, const char *reason)
{
    const char *worker = run_leases_note_cancel(queue->leases, run, reason);
    if (worker)
        polls_end(queue, worker); /* it renews its leases then */
}

struct run_queue *run_queue_new(struct jobs *jobs, struct run_workers *workers, struct run_leases *leases)
{
    struct run_queue *queue = g_new0(struct run_queue, 1);
    *queue = (struct run_queue){.jobs = jobs, .workers = workers, .leases = leases, .poll_ms = LEASE_POLL_MS};
    g_queue_init(&queue->polls);
    queue->timer = loop_timer_new(jobs->loop, due, queue);
    queue->wake_at = 1; /* look for delays that are over */
    arm(queue);
    run_reap_release(jobs, NULL);
    return queue;
}

void run_queue_free(struct run_queue *queue)
{
    if (!queue)
        return;
    for (struct poll *poll; (poll = g_queue_pop_head(&queue->polls));) {
        poll->done(poll->arg, NULL, NULL);
        poll_free(poll);
    }
    loop_timer_free(queue->timer);
    g_free(queue);
}

void run_queue_set_poll_ms(struct run_queue *queue, int64_t poll_ms)
{
    queue->poll_ms = poll_ms;
}

size_t run_queue_polls(const struct run_queue *queue)
{
    return queue->polls.length;
}
