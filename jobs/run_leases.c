/* run_leases: see run_leases.h. */
#include "jobs/run_leases.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/wire.h"
#include "jobs/run_recover.h"
#include "jobs/store/store.h"

enum { TRY_AGAIN_MS = 1000 }; /* after a failed write */

struct lease {
    char *id, *run, *worker, *cancel_reason;
    bool confirmed;
    bool lost;            /* nobody has it: no word of its worker makes it live longer */
    bool expiring;        /* its end is being written */
    uint64_t deadline_ms; /* loop time */
};

struct run_leases {
    struct jobs *jobs;
    GHashTable *all;          /* id → struct lease* */
    struct loop_timer *timer; /* the next lease's end */
    int64_t confirm_ms, lease_ms;
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

/* --- their time ----------------------------------------------------------------------------------------------------
 */

static void arm(struct run_leases *leases)
{
    uint64_t now_ms = loop_now_ms(leases->jobs->loop), due_ms = UINT64_MAX;
    GHashTableIter iter;
    const struct lease *lease;
    g_hash_table_iter_init(&iter, leases->all);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&lease))
        if (!lease->expiring)
            due_ms = MIN(due_ms, lease->deadline_ms);
    if (due_ms == UINT64_MAX)
        loop_timer_stop(leases->timer);
    else
        loop_timer_start(leases->timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

/* The timer is not moved for a later end: it fires early once, and looks again. */
static void extend(struct run_leases *leases, struct lease *lease)
{
    int64_t life_ms = lease->confirmed ? leases->lease_ms : leases->confirm_ms;
    if (!lease->lost)
        lease->deadline_ms = loop_now_ms(leases->jobs->loop) + (uint64_t)life_ms;
}

/* A lease's end was written, or could not be: then it is tried again. */
static void ended(void *arg, const char *id, bool confirmed, bool ok)
{
    struct run_leases *leases = arg;
    struct lease *lease = g_hash_table_lookup(leases->all, id);
    if (!lease || !lease->expiring || lease->confirmed != confirmed) /* confirmed meanwhile: another end follows */
        return;
    if (ok) {
        run_leases_drop(leases, id);
        return;
    }
    lease->expiring = false;
    lease->deadline_ms = loop_now_ms(leases->jobs->loop) + TRY_AGAIN_MS;
    arm(leases);
}

static void due(void *arg)
{
    struct run_leases *leases = arg;
    uint64_t now_ms = loop_now_ms(leases->jobs->loop);
    GHashTableIter iter;
    struct lease *lease;
    g_hash_table_iter_init(&iter, leases->all);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&lease)) {
        if (lease->expiring || lease->deadline_ms > now_ms)
            continue;
        lease->expiring = true;
        log_warn(lease->lost ? "a lease ended: its worker is gone" : "a lease ended unheard", "run", lease->run,
                 "worker", lease->worker, "confirmed", lease->confirmed ? "yes" : "no", NULL);
        run_recover_lease(leases->jobs, lease->id, lease->run, lease->confirmed, ended, leases);
    }
    arm(leases);
}

/* From a timer of zero, not here: what its worker still said lies in its connection, and is read in this turn. */
static void lose(struct run_leases *leases, struct lease *lease)
{
    lease->lost = true;
    lease->deadline_ms = loop_now_ms(leases->jobs->loop);
}

void run_leases_lose(struct run_leases *leases, const char *id)
{
    struct lease *lease = g_hash_table_lookup(leases->all, id);
    if (lease)
        lose(leases, lease);
    arm(leases);
}

void run_leases_lose_worker(struct run_leases *leases, const char *worker)
{
    GHashTableIter iter;
    struct lease *lease;
    g_hash_table_iter_init(&iter, leases->all);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&lease))
        if (strcmp(lease->worker, worker) == 0)
            lose(leases, lease);
    arm(leases);
}

/* --- what workers say ----------------------------------------------------------------------------------------------
 */

static struct lease *add(struct run_leases *leases, const char *id, const char *run, const char *worker, bool confirmed)
{
    struct lease *lease = g_new0(struct lease, 1);
    lease->id = g_strdup(id);
    lease->run = g_strdup(run);
    lease->worker = g_strdup(worker);
    lease->confirmed = confirmed;
    extend(leases, lease);
    g_hash_table_replace(leases->all, lease->id, lease);
    arm(leases);
    return lease;
}

void run_leases_add(struct run_leases *leases, const char *id, const char *run, const char *worker)
{
    add(leases, id, run, worker, false);
}

void run_leases_confirm(struct run_leases *leases, const char *id, const char *run, const char *worker)
{
    struct lease *lease = g_hash_table_lookup(leases->all, id);
    if (!lease)
        lease = add(leases, id, run, worker, true);
    lease->confirmed = true;
    lease->expiring = false; /* an end that is under way comes too late: it leaves a confirmed run alone */
    extend(leases, lease);
    arm(leases);
}

int64_t run_leases_touch(struct run_leases *leases, const char *id)
{
    struct lease *lease = id ? g_hash_table_lookup(leases->all, id) : NULL;
    if (!lease || lease->expiring || lease->lost)
        return 0;
    extend(leases, lease);
    return lease->confirmed ? leases->lease_ms : leases->confirm_ms;
}

json_t *run_leases_renew(struct run_leases *leases, const char *id, const char *worker)
{
    const struct lease *lease = g_hash_table_lookup(leases->all, id);
    if (!lease || !lease->confirmed || g_strcmp0(lease->worker, worker) != 0 || run_leases_touch(leases, id) == 0)
        return json_null();
    return json_pack("{s:I, s:s?}", "lease_ms", (json_int_t)leases->lease_ms, "cancel", lease->cancel_reason);
}

/* --- what others decide --------------------------------------------------------------------------------------------
 */

static gboolean is_of_run(void *key, void *value, void *run)
{
    (void)key;
    return strcmp(((struct lease *)value)->run, run) == 0;
}

const char *run_leases_note_cancel(struct run_leases *leases, const char *run, const char *reason)
{
    struct lease *lease = g_hash_table_find(leases->all, is_of_run, (void *)run);
    if (lease && !lease->cancel_reason)
        lease->cancel_reason = g_strdup(reason);
    return lease ? lease->worker : NULL;
}

void run_leases_drop(struct run_leases *leases, const char *id)
{
    if (id)
        g_hash_table_remove(leases->all, id);
}

void run_leases_drop_run(struct run_leases *leases, const char *run)
{
    g_hash_table_foreach_remove(leases->all, is_of_run, (void *)run);
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */

static bool load_job(struct store_tx *tx, void *arg, GError **error)
{
    json_t **rows = arg;
    g_clear_pointer(rows, json_decref);
    return store_list(tx, SQL_RUN_LEASES, rows, error, "");
}

static void adopt(struct run_leases *leases, struct run_workers *workers, const json_t *row)
{
    const char *worker = json_get_string(row, "worker", "");
    struct lease *lease = add(leases, json_get_string(row, "lease", ""), json_get_string(row, "run", ""), worker,
                              json_get_integer(row, "lease_confirmed", 0) != 0);
    lease->cancel_reason = g_strdup(json_get_string(row, "cancel_reason", NULL));
    run_workers_expect(workers, worker, json_get_string(row, "worker_process", NULL));
}

struct run_leases *run_leases_new(struct jobs *jobs, struct run_workers *workers, GError **error)
{
    g_autoptr(json_t) rows = NULL;
    if (!store_sync(jobs->store, load_job, &rows, error))
        return NULL;
    struct run_leases *leases = g_new0(struct run_leases, 1);
    *leases = (struct run_leases){.jobs = jobs, .confirm_ms = WIRE_CONFIRM_MS, .lease_ms = LEASE_MS};
    leases->all = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, lease_free);
    leases->timer = loop_timer_new(jobs->loop, due, leases);
    size_t index;
    json_t *row;
    json_array_foreach (rows, index, row)
        adopt(leases, workers, row);
    return leases;
}

void run_leases_free(struct run_leases *leases)
{
    if (!leases)
        return;
    loop_timer_free(leases->timer);
    g_hash_table_unref(leases->all);
    g_free(leases);
}

void run_leases_set_times(struct run_leases *leases, int64_t confirm_ms, int64_t lease_ms)
{
    leases->confirm_ms = confirm_ms;
    leases->lease_ms = lease_ms;
    GHashTableIter iter;
    struct lease *lease;
    g_hash_table_iter_init(&iter, leases->all);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&lease))
        extend(leases, lease);
    arm(leases);
}

int64_t run_leases_confirm_ms(const struct run_leases *leases)
{
    return leases->confirm_ms;
}

int64_t run_leases_lease_ms(const struct run_leases *leases)
{
    return leases->lease_ms;
}

size_t run_leases_count(const struct run_leases *leases)
{
    return g_hash_table_size(leases->all);
}
