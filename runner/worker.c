/* worker: see worker.h. */
#include "runner/worker.h"

#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/wire.h"
#include "lua/lua_run.h"
#include "runner/lease.h"
#include "runner/reaper.h"
#include "runner/uplink.h"

#include <string.h>
#include <unistd.h>

#define HEARTBEAT_MS     1000
#define RENEW_TIMEOUT_MS 5000
#define RENEW_AGAIN_MS   1000
#define POLL_TIMEOUT_MS  (LEASE_POLL_MS + 10 * 1000)
#define POLL_FIRST_MS    20
#define POLL_MOST_MS     2000

struct worker {
    struct loop *loop;
    struct uplink *uplink;
    struct network network;
    struct world world;
    char *id, *runner;
    int64_t slots;
    GHashTable *leases; /* id → struct lease */
    GPtrArray *reapers; /* struct reaper: not waited for, another worker would be told to look */
    int heartbeat_fd;

    struct uplink_call *poll, *renewal;
    uint64_t renewal_sent_ms;
    int64_t poll_ms;  /* back-off */
    bool unreachable; /* said once */
    bool draining, told;
    struct loop_timer *poll_timer, *renew_timer, *heartbeat, *limit, *end;
    void (*drained)(void *arg);
    void *arg;
};

static void worker_poll(void *arg);

static size_t worker_count(const struct worker *worker)
{
    return g_hash_table_size(worker->leases);
}

/* A thread that could not be interrupted may hold a core for ever: this process takes nothing new. */
static bool worker_takes_more(const struct worker *worker)
{
    return !worker->draining && lua_run_abandoned() == 0 && (int64_t)worker_count(worker) < worker->slots;
}

/* Takes nothing new when it must not, and ends when that was the last. */
static void worker_end_if_idle(struct worker *worker)
{
    if (!worker->draining && lua_run_abandoned() == 0)
        return;
    g_clear_pointer(&worker->poll, uplink_call_cancel); /* a job on its way here is not confirmed: another gets it */
    loop_timer_stop(worker->poll_timer);
    if (worker_count(worker) == 0 && !worker->told)
        loop_timer_start(worker->end, 0, 0);
}

static void worker_told(void *arg)
{
    struct worker *worker = arg;

    worker->told = true;
    g_clear_pointer(&worker->poll, uplink_call_cancel);
    worker->drained(worker->arg);
}

/* ---- leases ---- */

static void worker_lease_ended(void *arg, struct lease *lease)
{
    struct worker *worker = arg;

    g_hash_table_remove(worker->leases, lease_id(lease)); /* frees it */
    worker_poll(worker);
    worker_end_if_idle(worker);
}

static void worker_take(struct worker *worker, json_t *job)
{
    const struct lease_options options = {
        .loop = worker->loop,
        .uplink = worker->uplink,
        .world = &worker->world,
        .worker = worker->id,
        .job = job,
        .ended = worker_lease_ended,
        .arg = worker,
    };
    struct lease *lease = lease_new(&options);

    g_hash_table_replace(worker->leases, (char *)lease_id(lease), lease);
    if (!loop_timer_active(worker->renew_timer))
        loop_timer_start(worker->renew_timer, LEASE_RENEW_MS, 0);
}

static void worker_reaped(void *arg, struct reaper *reaper)
{
    struct worker *worker = arg;

    g_ptr_array_remove_fast(worker->reapers, reaper); /* frees it */
}

static void worker_reap(struct worker *worker, const json_t *job)
{
    const struct reaper_options options = {
        .loop = worker->loop,
        .uplink = worker->uplink,
        .ssh = worker->network.ssh,
        .worker = worker->id,
        .job = job,
        .ended = worker_reaped,
        .arg = worker,
    };

    g_ptr_array_add(worker->reapers, reaper_new(&options));
}

static void worker_renewed(void *arg, int status, json_t *body, const GError *error)
{
    struct worker *worker = arg;
    const json_t *answers = json_object_get(body, "leases");
    const char *id;
    json_t *answer;

    worker->renewal = NULL;
    loop_timer_start(worker->renew_timer, status == 200 ? LEASE_RENEW_MS : RENEW_AGAIN_MS, 0);
    if (status != 200) {
        log_debug("leases could not be renewed, trying again", "why", error ? error->message : "refused", NULL);
        return;
    }
    json_object_foreach ((json_t *)answers, id, answer) {
        struct lease *lease = g_hash_table_lookup(worker->leases, id);
        if (lease)
            lease_renewed(lease, worker->renewal_sent_ms, answer);
    }
}

static json_t *worker_confirmed_leases(const struct worker *worker)
{
    json_t *ids = json_array();
    GHashTableIter iter;
    void *lease;

    g_hash_table_iter_init(&iter, worker->leases);
    while (g_hash_table_iter_next(&iter, NULL, &lease))
        if (lease_confirmed(lease))
            json_array_append_new(ids, json_string(lease_id(lease)));
    return ids;
}

static void worker_renew(void *arg)
{
    struct worker *worker = arg;

    if (worker->renewal || worker_count(worker) == 0)
        return;
    g_autoptr(json_t) request =
        json_pack("{s:s, s:o}", "worker", worker->id, "leases", worker_confirmed_leases(worker));
    g_autofree char *body = json_text(request);
    worker->renewal_sent_ms = loop_now_ms(worker->loop);
    worker->renewal =
        uplink_post(worker->uplink, WIRE_RENEW_PATH, body, strlen(body), RENEW_TIMEOUT_MS, worker_renewed, worker);
}

/* ---- polls ---- */

static void worker_poll_again(struct worker *worker, int status, json_t *body, const GError *error)
{
    if (status == 200 || status == 204) {
        worker->poll_ms = POLL_FIRST_MS;
        worker->unreachable = false;
        if (status == 204)
            worker_renew(worker); /* perhaps that is why: one of its runs is to be cancelled */
        worker_poll(worker);
        return;
    }
    if (!worker->unreachable)
        log_warn("the server gives no jobs, asking again", "why",
                 error ? error->message : json_get_string(body, "detail", "it refused"), NULL);
    worker->unreachable = true;
    loop_timer_start(worker->poll_timer, (uint64_t)worker->poll_ms, 0);
    worker->poll_ms = MIN(worker->poll_ms * 2, POLL_MOST_MS);
}

static void worker_polled(void *arg, int status, json_t *body, const GError *error)
{
    struct worker *worker = arg;

    worker->poll = NULL;
    if (status == 200 && json_object_get(body, "reap"))
        worker_reap(worker, body);
    else if (status == 200 && !worker->draining)
        worker_take(worker, body);
    worker_poll_again(worker, status, body, error);
}

static void worker_poll(void *arg)
{
    struct worker *worker = arg;

    if (worker->poll || !worker_takes_more(worker))
        return;
    g_autoptr(json_t) request = json_pack("{s:s, s:s, s:I}", "runner", worker->runner, "worker", worker->id, "slots",
                                          (json_int_t)(worker->slots - (int64_t)worker_count(worker)));
    g_autofree char *body = json_text(request);
    worker->poll =
        uplink_post(worker->uplink, WIRE_LEASE_PATH, body, strlen(body), POLL_TIMEOUT_MS, worker_polled, worker);
}

/* ---- life ---- */

static void worker_beat(void *arg)
{
    struct worker *worker = arg;
    char load = worker_count(worker) == 0 ? WORKER_IDLE : worker_takes_more(worker) ? WORKER_BUSY : WORKER_FULL;

    /* A full pipe means that nobody reads: the supervisor's business. */
    if (worker->heartbeat_fd >= 0 && write(worker->heartbeat_fd, &load, 1) < 0)
        log_debug("a heartbeat was not taken", "why", g_strerror(errno), NULL);
    worker_end_if_idle(worker); /* Lua may have been abandoned meanwhile */
}

static void worker_cancel_all(void *arg)
{
    struct worker *worker = arg;
    GHashTableIter iter;
    void *lease;

    log_warn("runs are cancelled because the runner stops", NULL);
    g_hash_table_iter_init(&iter, worker->leases);
    while (g_hash_table_iter_next(&iter, NULL, &lease))
        lease_cancel(lease, "stopped");
}

void worker_drain(struct worker *worker)
{
    if (worker->draining)
        return;
    worker->draining = true;
    loop_timer_start(worker->limit, RUNNER_DRAIN_MS, 0);
    worker_end_if_idle(worker);
}

static void lease_destroy(void *lease)
{
    lease_free(lease);
}

static void reaper_destroy(void *reaper)
{
    reaper_free(reaper);
}

struct worker *worker_new(const struct worker_options *options)
{
    struct worker *worker = g_new0(struct worker, 1);
    struct loop *loop = worker->loop = options->loop;

    worker->uplink = uplink_new(loop, options->socket_path, options->token);
    worker->network = (struct network){.loop = loop,
                                       .ssh = ssh_pool_new(loop, options->ssh),
                                       .http = http_client_new(loop),
                                       .reach = options->reach,
                                       .local = options->exec ? local_pool_new(loop) : NULL};
    worker->world = world_of_network(&worker->network);
    worker->id = crypto_id("worker");
    worker->runner = g_strdup(options->runner);
    worker->slots = options->slots;
    worker->leases = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, lease_destroy);
    worker->reapers = g_ptr_array_new_with_free_func(reaper_destroy);
    worker->heartbeat_fd = options->heartbeat_fd;
    worker->poll_ms = POLL_FIRST_MS;
    worker->drained = options->drained;
    worker->arg = options->arg;
    worker->poll_timer = loop_timer_new(loop, worker_poll, worker);
    worker->renew_timer = loop_timer_new(loop, worker_renew, worker);
    worker->limit = loop_timer_new(loop, worker_cancel_all, worker);
    worker->end = loop_timer_new(loop, worker_told, worker);
    worker->heartbeat = loop_timer_new(loop, worker_beat, worker);
    loop_timer_start(worker->heartbeat, 0, HEARTBEAT_MS);
    worker_poll(worker);
    return worker;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    g_hash_table_unref(worker->leases);
    g_ptr_array_unref(worker->reapers);
    uplink_free(worker->uplink);
    local_pool_free(worker->network.local);
    http_client_free(worker->network.http);
    ssh_pool_free(worker->network.ssh);
    struct loop_timer *timers[] = {worker->poll_timer, worker->renew_timer, worker->limit, worker->end,
                                   worker->heartbeat};
    for (size_t i = 0; i < G_N_ELEMENTS(timers); i++)
        loop_timer_free(timers[i]);
    g_free(worker->id);
    g_free(worker->runner);
    g_free(worker);
}
