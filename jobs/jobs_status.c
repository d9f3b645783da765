/* jobs_status: readiness and metrics. Numbers from the database are those of the last look, at most one question old: a
 * scrape never waits, and never makes the database work more often than REFRESH_MS. */
#include "jobs/jobs_status.h"
#include "core/clock.h"
#include "core/limits.h"
#include "jobs/catalog.h"
#include "jobs/delivery.h"
#include "jobs/outbox.h"
#include "jobs/run_private.h"

enum { REFRESH_MS = 1000 };

struct jobs_status {
    struct jobs *jobs;
    json_t *counts; /* {"hikeshi_runs_queued": n, …} of the last look */
    json_t *found;  /* of the look under way */
    bool reading;
    uint64_t read_ms; /* loop time */
};

static bool read_job(struct store_tx *tx, void *arg, GError **error)
{
    struct jobs_status *status = arg;
    g_clear_pointer(&status->found, json_decref);
    g_autoptr(json_t) states = NULL, waiting = NULL, counts = json_object();
    if (!store_list(tx, SQL_RUN_STATE_COUNTS, &states, error, "") ||
        !store_get(tx, SQL_APPROVAL_WAITING_COUNT, &waiting, error, "") || !delivery_counts(tx, counts, error) ||
        !outbox_counts(tx, counts, error))
        return false;
    static const char *const open[] = {"queued", "running", "waiting"};
    for (size_t i = 0; i < G_N_ELEMENTS(open); i++) {
        g_autofree char *name = g_strdup_printf("hikeshi_runs_%s", open[i]);
        json_object_set_new(counts, name, json_integer(0));
    }
    size_t index;
    json_t *row;
    json_array_foreach (states, index, row) {
        g_autofree char *name = g_strdup_printf("hikeshi_runs_%s", json_get_string(row, "state", "unknown"));
        json_object_set(counts, name, json_object_get(row, "count"));
    }
    json_object_set(counts, "hikeshi_approvals_waiting", json_object_get(waiting, "count"));
    status->found = g_steal_pointer(&counts);
    return true;
}

static void read_done(void *arg, const GError *error)
{
    struct jobs_status *status = arg;
    status->reading = false;
    if (error || !status->found)
        return;
    json_decref(status->counts);
    status->counts = g_steal_pointer(&status->found);
}

static void refresh(struct jobs_status *status)
{
    uint64_t now_ms = loop_now_ms(status->jobs->loop);
    if (status->reading || now_ms - status->read_ms < REFRESH_MS)
        return;
    status->reading = true;
    status->read_ms = now_ms;
    store_read(status->jobs->store, read_job, read_done, status);
}

struct jobs_status *jobs_status_new(struct jobs *jobs, GError **error)
{
    struct jobs_status *status = g_new0(struct jobs_status, 1);
    status->jobs = jobs;
    if (!store_sync(jobs->store, read_job, status, error)) {
        jobs_status_free(status);
        return NULL;
    }
    read_done(status, NULL);
    return status;
}

void jobs_status_free(struct jobs_status *status)
{
    if (!status)
        return;
    json_decref(status->counts);
    json_decref(status->found);
    g_free(status);
}

/* --- readiness -----------------------------------------------------------------------------------------------------
 */

/* Deliveries that arrive before the first commit is in service would match nothing. */
static const char *catalog_check(struct jobs *jobs)
{
    g_autoptr(json_t) status = catalog_status(jobs->catalog);
    size_t index;
    json_t *repository;
    json_array_foreach (status, index, repository)
        if (!json_get_string(repository, "commit", NULL))
            return "a repository has no commit in service yet";
    return "ok";
}

json_t *jobs_ready(struct jobs *jobs)
{
    const char *store = jobs->draining ? "draining" : "ok", *catalog = catalog_check(jobs);
    const char *runner = run_workers_count(jobs->runs->workers, LEASE_MS) > 0 ? "ok" : "no runner was heard";
    bool ready = strcmp(store, "ok") == 0 && strcmp(catalog, "ok") == 0;
    return json_pack("{s:b, s:s?, s:{s:s, s:s, s:s}}", "ready", ready, "environment",
                     config_string(jobs->config, "environment"), "checks", "store", store, "catalog", catalog, "runner",
                     runner);
}

/* --- metrics -------------------------------------------------------------------------------------------------------
 */

static void add_store(json_t *metrics, struct store *store)
{
    g_autoptr(json_t) stats = store_stats(store);
    const char *key;
    json_t *value;
    json_object_foreach (stats, key, value) {
        g_autofree char *name = g_strdup_printf("hikeshi_store_%s", key);
        json_object_set(metrics, name, value);
    }
}

/* The age of the oldest fetch: how far behind Git this server may be. */
static void add_catalog(json_t *metrics, struct catalog *catalog)
{
    g_autoptr(json_t) status = catalog_status(catalog);
    int64_t oldest = 0;
    size_t index;
    json_t *repository;
    json_array_foreach (status, index, repository) {
        int64_t fetched_at = 0;
        const char *text = json_get_string(repository, "fetched_at", NULL);
        if (text && clock_parse(text, &fetched_at, NULL) && (!oldest || fetched_at < oldest))
            oldest = fetched_at;
    }
    if (oldest)
        json_object_set_new(metrics, "hikeshi_catalog_age_seconds",
                            json_real((double)(clock_now_ms() - oldest) / 1000.0));
    struct catalog_set *set = catalog_current(catalog);
    json_object_set_new(metrics, "hikeshi_runbooks", json_integer(set ? set->runbooks->len : 0));
}

static void add_runs(json_t *metrics, const struct run_service *runs)
{
    json_object_set_new(metrics, "hikeshi_workers",
                        json_integer((json_int_t)run_workers_count(runs->workers, LEASE_MS)));
    json_object_set_new(metrics, "hikeshi_leases", json_integer((json_int_t)run_leases_count(runs->leases)));
    json_object_set_new(metrics, "hikeshi_polls", json_integer((json_int_t)run_queue_polls(runs->queue)));
}

json_t *jobs_metrics(struct jobs *jobs)
{
    refresh(jobs->status);
    json_t *metrics = json_object();
    json_object_update(metrics, jobs->status->counts);
    add_runs(metrics, jobs->runs);
    delivery_metrics(jobs, metrics);
    add_store(metrics, jobs->store);
    add_catalog(metrics, jobs->catalog);
    return metrics;
}
