/* run_guard: counts earlier runs of the same runbook (and the same `per` values) when a run is about to start.
 *
 * Guards hold because starts are inserted one after the other, inside the store's write transactions. */
#include "jobs/run_guard.h"
#include "core/clock.h"

/* REPOSITORY:RUNBOOK[value, …]: the values of `per` paths, so that two hosts do not wait for each other. */
static char *guard_key(const struct runbook *runbook, const struct run_start *start)
{
    g_autoptr(json_t) roots = json_object();
    json_object_set(roots, "params", start->params);
    if (start->incident_snapshot)
        json_object_set(roots, "incident", start->incident_snapshot);
    if (start->alert_snapshot)
        json_object_set(roots, "alert", start->alert_snapshot);
    g_autoptr(json_t) values = json_array();
    for (char **path = runbook->limits.per; path && *path; path++) {
        json_t *value = json_path(roots, *path);
        json_array_append_new(values, value ? json_incref(value) : json_null());
    }
    g_autofree char *text = json_text(values);
    return g_strdup_printf("%s:%s%s", start->repository, start->runbook, text);
}

/* The last `breaker` runs that came to an end of their own all failed (failed or not verified). */
static bool broken(struct store_tx *tx, const struct runbook *runbook, const struct run_start *start, bool *ret,
                   GError **error)
{
    int64_t breaker = runbook->limits.breaker;
    *ret = false;
    if (breaker <= 0)
        return true;
    g_autoptr(json_t) row = NULL;
    if (!store_get(tx, SQL_RUN_FAILED_OF_LAST, &row, error, "ssi", start->repository, start->runbook, breaker))
        return false;
    *ret = json_get_integer(row, "failed", 0) >= breaker;
    return true;
}

static const char *judge(const struct limits *limits, const struct run_start *start, const json_t *counts,
                         int64_t now_ms)
{
    bool drop = g_strcmp0(limits->overflow, "drop") == 0;
    if (drop && limits->concurrency > 0 && json_get_integer(counts, "unended", 0) >= limits->concurrency)
        return "concurrency";
    if (drop && limits->lock && json_get_integer(counts, "locked", 0) > 0)
        return "concurrency";
    if (start->why)
        return NULL;
    const json_t *last = json_object_get(counts, "last_created");
    if (limits->cooldown_ms > 0 && json_is_integer(last) && now_ms - json_integer_value(last) < limits->cooldown_ms)
        return "cooldown";
    if (limits->max_runs > 0 && json_get_integer(counts, "in_window", 0) >= limits->max_runs)
        return "window";
    return NULL;
}

bool run_guard_check(struct store_tx *tx, const struct runbook *runbook, const struct run_start *start,
                     struct run_guard *ret, GError **error)
{
    const struct limits *limits = &runbook->limits;
    *ret = (struct run_guard){.suppressed = start->suppressed};
    bool open = false;
    if (!broken(tx, runbook, start, &open, error))
        return false;
    if (open && !start->why && !ret->suppressed)
        ret->suppressed = "breaker";
    if (limits->concurrency <= 0 && limits->cooldown_ms <= 0 && limits->max_runs <= 0 && !limits->lock)
        return true;
    int64_t now_ms = clock_now_ms();
    g_autofree char *key = guard_key(runbook, start);
    g_autoptr(json_t) counts = NULL;
    if (!store_get(tx, SQL_RUN_GUARD_COUNTS, &counts, error, "sis", key, now_ms - limits->max_runs_window_ms,
                   limits->lock))
        return false;
    if (!ret->suppressed)
        ret->suppressed = judge(limits, start, counts, now_ms);
    ret->key = g_steal_pointer(&key);
    ret->limit = MAX(limits->concurrency, 0);
    return true;
}

bool run_guard_replace(struct store_tx *tx, const struct runbook *runbook, const struct run_start *start,
                       const struct run_guard *guard, const char *run, GError **error)
{
    if (guard->suppressed || !start->stopped || g_strcmp0(runbook->limits.overflow, "replace") != 0)
        return true;
    g_autoptr(json_t) rows = NULL;
    if (!store_list(tx, SQL_RUN_GUARD_UNENDED, &rows, error, "ss", guard->key, run))
        return false;
    size_t beside = (size_t)MAX(guard->limit - 1, 0), count = json_array_size(rows);
    g_autofree char *text = g_strdup_printf("is cancelled: %s replaces it", run);
    for (size_t i = 0; i + beside < count; i++) {
        const json_t *row = json_array_get(rows, i);
        const char *id = json_get_string(row, "id", "");
        bool running;
        if (json_get_string(row, "cancel_reason", NULL))
            continue; /* it is on its way out */
        if (!run_stop(tx, id, "concurrency", text, &running, error))
            return false;
        json_array_append_new(start->stopped,
                              json_pack("{s:s, s:s, s:b}", "run", id, "reason", "concurrency", "running", running));
    }
    return true;
}
