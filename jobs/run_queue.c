/* run_queue: hands queued runs to polling workers and keeps count of their leases.
 *
 * A worker's poll waits here until a run is queued. A grant is one write; it counts only when the worker confirms it,
 * because a poll whose worker died looks alive. A confirmed lease lives as long as its worker is heard. The database
 * says whose a run is; how long a lease lives is counted here, on the monotonic clock, so that a wall clock that jumps
 * takes no run from a living worker. What happens to the run of a lease that ended is in run_recover.c. */
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
#include "jobs/run_recover.h"

enum {
    LOOK_AGAIN_MS = 30 * 1000, /* a wall clock that was set: delays are looked at again at least so often */
    TRY_AGAIN_MS = 1000,       /* after a failed write */
};

struct lease {
    char *id, *run, *worker, *cancel_reason;
    bool confirmed;
    bool expiring;        /* its end is being written */
    uint64_t deadline_ms; /* loop time */
};

/* A worker's poll. */
struct poll {
    struct run_queue *queue;
    char *worker;
    struct loop_timer *timer;
    bool granting; /* a grant for it is under way: it is answered when that ends */
    op_done_fn done;
    void *arg;
};

static void lease_free(void *data)
{
    struct lease *lease = data;
    g_free(lease->id);
    g_free(lease->run);
    g_free(lease->worker);
    g_free(lease->cancel_reason);
    g_free(lease);
}

struct run_queue {
    struct jobs *jobs;
    GHashTable *leases;       /* id → struct lease* */
    GQueue polls;             /* struct poll*, the longest waiting first */
    uint64_t generation;      /* counts kicks: a grant that found nothing looks again when there was one meanwhile */
    struct loop_timer *timer; /* the next lease's end or delay's end */
    int64_t wake_at;          /* the next delay's end, wall clock; 0 = none */
    uint64_t seen_ms;         /* when a worker was heard last */
    int64_t poll_ms, confirm_ms, lease_ms;
};

/* --- leases --------------------------------------------------------------------------------------------------------
 */

static void arm(struct run_queue *queue)
{
    uint64_t now_ms = loop_now_ms(queue->jobs->loop), due_ms = UINT64_MAX;
    GHashTableIter iter;
    struct lease *lease;
    g_hash_table_iter_init(&iter, queue->leases);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&lease))
        if (!lease->expiring)
            due_ms = MIN(due_ms, lease->deadline_ms);
    if (queue->wake_at) {
        int64_t left_ms = CLAMP(queue->wake_at - clock_now_ms(), 0, LOOK_AGAIN_MS);
        due_ms = MIN(due_ms, now_ms + (uint64_t)left_ms);
    }
    if (due_ms == UINT64_MAX)
        loop_timer_stop(queue->timer);
    else
        loop_timer_start(queue->timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static struct lease *lease_add(struct run_queue *queue, const char *id, const char *run, const char *worker,
                               bool confirmed)
{
    struct lease *lease = g_new0(struct lease, 1);
    lease->id = g_strdup(id);
    lease->run = g_strdup(run);
    lease->worker = g_strdup(worker);
    lease->confirmed = confirmed;
    lease->deadline_ms = loop_now_ms(queue->jobs->loop) + (uint64_t)(confirmed ? queue->lease_ms : queue->confirm_ms);
    g_hash_table_replace(queue->leases, lease->id, lease);
    arm(queue);
    return lease;
}

int64_t run_queue_touch(struct run_queue *queue, const char *id)
{
    struct lease *lease = id ? g_hash_table_lookup(queue->leases, id) : NULL;
    if (!lease || lease->expiring)
        return 0;
    lease->deadline_ms = loop_now_ms(queue->jobs->loop) + (uint64_t)queue->lease_ms;
    return queue->lease_ms; /* the timer may fire early and looks again */
}

void run_queue_drop(struct run_queue *queue, const char *id)
{
    if (id)
        g_hash_table_remove(queue->leases, id);
}

static gboolean is_of_run(void *key, void *value, void *run)
{
    (void)key;
    return strcmp(((struct lease *)value)->run, run) == 0;
}

void run_queue_drop_run(struct run_queue *queue, const char *run)
{
    g_hash_table_foreach_remove(queue->leases, is_of_run, (void *)run);
}

void run_queue_note_cancel(struct run_queue *queue, const char *run, const char *reason)
{
    struct lease *lease = g_hash_table_find(queue->leases, is_of_run, (void *)run);
    if (lease && !lease->cancel_reason)
        lease->cancel_reason = g_strdup(reason);
}

void run_queue_note_wake(struct run_queue *queue, int64_t wake_at)
{
    if (wake_at > 0 && (queue->wake_at == 0 || wake_at < queue->wake_at))
        queue->wake_at = wake_at;
    arm(queue);
}

/* A lease's end was written, or could not be: then it is tried again. */
static void expired(void *arg, const char *id, bool ok)
{
    struct run_queue *queue = arg;
    struct lease *lease = g_hash_table_lookup(queue->leases, id);
    if (!lease || !lease->expiring)
        return;
    if (ok) {
        run_queue_drop(queue, id);
        return;
    }
    lease->expiring = false;
    lease->deadline_ms = loop_now_ms(queue->jobs->loop) + TRY_AGAIN_MS;
    arm(queue);
}

/* Leases that ended unheard are taken from their workers; delays that are over are queued. */
static void due(void *arg)
{
    struct run_queue *queue = arg;
    uint64_t now_ms = loop_now_ms(queue->jobs->loop);
    GHashTableIter iter;
    struct lease *lease;
    g_hash_table_iter_init(&iter, queue->leases);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&lease)) {
        if (lease->expiring || lease->deadline_ms > now_ms)
            continue;
        lease->expiring = true;
        log_warn("a lease ended unheard", "run", lease->run, "worker", lease->worker, "confirmed",
                 lease->confirmed ? "yes" : "no", NULL);
        run_recover_lease(queue->jobs, lease->id, lease->run, lease->confirmed, expired, queue);
    }
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

static void poll_answer(struct poll *poll, json_t *job, const GError *error)
{
    g_queue_remove(&poll->queue->polls, poll);
    poll->done(poll->arg, job, error);
    poll_free(poll);
}

static void poll_over(void *arg)
{
    struct poll *poll = arg;
    if (!poll->granting)
        poll_answer(poll, NULL, NULL);
}

/* One grant: a queued run, leased to a poll's worker. */
struct grant {
    struct run_queue *queue;
    struct poll *poll;
    struct catalog_set *set;
    uint64_t generation;
    json_t *found; /* {"run": row, "steps": […], "plan": …, "approvals": […]}, NULL when nothing is queued */
    char *lease;
};

static void grant_free(struct grant *grant)
{
    json_decref(grant->found);
    g_free(grant->lease);
    if (grant->set)
        catalog_set_unref(grant->set);
    g_free(grant);
}

static bool grant_job(struct store_tx *tx, void *arg, GError **error)
{
    struct grant *grant = arg;
    g_clear_pointer(&grant->found, json_decref);
    g_autoptr(json_t) next = NULL;
    if (!store_get(tx, SQL_RUN_NEXT, &next, error, ""))
        return false;
    const char *run = json_get_string(next, "id", NULL);
    if (!run)
        return true;
    int64_t until = clock_now_ms() + grant->queue->confirm_ms;
    return store_exec(tx, SQL_RUN_GRANT, NULL, error, "sssi", run, grant->lease, grant->poll->worker, until) &&
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
    g_autoptr(GError) problem = NULL;
    json_t *job = run ? run_job_make(grant->queue->jobs, grant->set, grant->found, &problem) : NULL;
    if (problem)
        grant_impossible(grant, run, problem);
    if (job) {
        json_set_string(job, "lease", grant->lease);
        json_object_set_new(job, "lease_ms", json_integer(grant->queue->confirm_ms));
    }
    return job;
}

static void grant_done(void *arg, const GError *error)
{
    struct grant *grant = arg;
    struct poll *poll = grant->poll;
    const char *run = json_path_string(grant->found, "run.id");
    if (run &&
        !error) /* before a job is made: when none can be, and that cannot be written, the lease's end tries again */
        lease_add(grant->queue, grant->lease, run, poll->worker, false);
    g_autoptr(json_t) job = error ? NULL : make_job(grant, run);
    poll->granting = false;
    if (error)
        log_warn("cannot grant a lease", "error", error->message, NULL);
    if (job) {
        poll_answer(poll, job, NULL);
    } else if (!loop_timer_active(poll->timer)) {
        poll_answer(poll, NULL, NULL); /* its time ran out meanwhile */
    } else if (grant->generation != grant->queue->generation) {
        grant_start(poll); /* something was queued meanwhile */
    }
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
    struct poll *poll = g_new0(struct poll, 1);
    poll->queue = queue;
    poll->worker = g_strdup(worker);
    poll->done = done;
    poll->arg = arg;
    poll->timer = loop_timer_new(jobs->loop, poll_over, poll);
    loop_timer_start(poll->timer, (uint64_t)queue->poll_ms, 0);
    queue->seen_ms = loop_now_ms(jobs->loop);
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
    int64_t lease_ms = call->jobs->runs->queue->lease_ms;
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
    struct run_queue *queue = call->jobs->runs->queue;
    const char *id = call_string(call->request, "lease");
    struct lease *lease = g_hash_table_lookup(queue->leases, id);
    if (!lease)
        lease = lease_add(queue, id, call_string(call->request, "run"), call_string(call->request, "worker"), true);
    lease->confirmed = true;
    lease->expiring = false; /* an end that is under way comes too late: it leaves a confirmed run alone */
    run_queue_touch(queue, id);
    arm(queue);
    run_log_kick(call->jobs->runs->log);
    outbox_kick(call->jobs);
}

void run_confirm(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_write(jobs, request, actor, confirm_job, confirm_after, done, arg);
}

static json_t *renewed(struct run_queue *queue, const char *id, const char *worker)
{
    struct lease *lease = g_hash_table_lookup(queue->leases, id);
    if (!lease || !lease->confirmed || g_strcmp0(lease->worker, worker) != 0 || run_queue_touch(queue, id) == 0)
        return json_null();
    return json_pack("{s:I, s:s?}", "lease_ms", (json_int_t)queue->lease_ms, "cancel", lease->cancel_reason);
}

void run_renew(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    (void)actor;
    struct run_queue *queue = jobs->runs->queue;
    const char *worker = call_string(request, "worker");
    const json_t *ids = json_object_get(json_object_get(request, "body"), "leases");
    g_autoptr(json_t) leases = json_object();
    size_t index;
    json_t *id;
    json_array_foreach (ids, index, id)
        if (json_is_string(id))
            json_object_set_new(leases, json_string_value(id), renewed(queue, json_string_value(id), worker));
    queue->seen_ms = loop_now_ms(jobs->loop);
    g_autoptr(json_t) answer = json_pack("{s:O}", "leases", leases);
    done(arg, answer, NULL);
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */

static bool load_job(struct store_tx *tx, void *arg, GError **error)
{
    json_t **leases = arg;
    g_clear_pointer(leases, json_decref);
    return store_list(tx, SQL_RUN_LEASES, leases, error, "");
}

struct run_queue *run_queue_new(struct jobs *jobs, GError **error)
{
    g_autoptr(json_t) rows = NULL;
    if (!store_sync(jobs->store, load_job, &rows, error))
        return NULL;
    struct run_queue *queue = g_new0(struct run_queue, 1);
    queue->jobs = jobs;
    queue->poll_ms = LEASE_POLL_MS;
    queue->confirm_ms = WIRE_CONFIRM_MS;
    queue->lease_ms = LEASE_MS;
    queue->leases = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, lease_free);
    queue->timer = loop_timer_new(jobs->loop, due, queue);
    /* Workers outlive a restart of this process: those that are alive renew, the others' leases end in their time. */
    size_t index;
    json_t *row;
    json_array_foreach (rows, index, row) {
        struct lease *lease =
            lease_add(queue, json_get_string(row, "lease", ""), json_get_string(row, "run", ""),
                      json_get_string(row, "worker", ""), json_get_integer(row, "lease_confirmed", 0) != 0);
        lease->cancel_reason = g_strdup(json_get_string(row, "cancel_reason", NULL));
    }
    queue->wake_at = 1; /* look for delays that are over */
    arm(queue);
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
    g_hash_table_unref(queue->leases);
    g_free(queue);
}

void run_queue_set_times(struct run_queue *queue, int64_t poll_ms, int64_t confirm_ms, int64_t lease_ms)
{
    queue->poll_ms = poll_ms;
    queue->confirm_ms = confirm_ms;
    queue->lease_ms = lease_ms;
    GHashTableIter iter;
    struct lease *lease;
    g_hash_table_iter_init(&iter, queue->leases);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&lease))
        lease->deadline_ms = loop_now_ms(queue->jobs->loop) + (uint64_t)(lease->confirmed ? lease_ms : confirm_ms);
    arm(queue);
}

bool run_queue_runner_seen(const struct run_queue *queue)
{
    uint64_t now_ms = loop_now_ms(queue->jobs->loop);
    return queue->polls.length > 0 || (queue->seen_ms && now_ms - queue->seen_ms < (uint64_t)queue->lease_ms);
}

void run_queue_metrics(const struct run_queue *queue, json_t *metrics)
{
    json_object_set_new(metrics, "hikeshi_leases", json_integer(g_hash_table_size(queue->leases)));
    json_object_set_new(metrics, "hikeshi_polls", json_integer(queue->polls.length));
}
