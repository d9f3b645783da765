/* Retention: old rows go, in batches, with everything that hangs on them; young ones and open ones stay. */
#include "engine_support.h"
#include "jobs/retention.h"
#include "jobs/store/store_private.h"

#define NOW_MS INT64_C(1800000000000)
#define DAY_MS INT64_C(86400000)

struct site {
    struct engine *engine;
    bool swept;
};

static int setup(void **state)
{
    struct site *site = g_new0(struct site, 1);
    g_autoptr(GError) error = NULL;
    void *engine;
    engine_setup(&engine);
    site->engine = engine;
    struct jobs *jobs = &site->engine->jobs;
    g_autofree char *path = g_build_filename(site->engine->folder, "c.yaml", NULL);
    assert_true(g_file_set_contents(path, "retention: {runs: 400d, output: 90d, deliveries: 1h}\n", -1, NULL));
    jobs->config = config_load(path, NULL, &error);
    assert_null(error);
    clock_set_fake(NOW_MS);
    jobs->retention = retention_service_new(jobs);
    *state = site;
    return 0;
}

static int teardown(void **state)
{
    struct site *site = *state;
    void *engine = site->engine;
    struct jobs *jobs = &site->engine->jobs;
    struct config *config = jobs->config;
    retention_service_free(jobs->retention);
    jobs->retention = NULL;
    engine_teardown(&engine);
    config_free(config);
    g_free(site);
    return 0;
}

static bool sql_job(struct store_tx *tx, void *arg, GError **error)
{
    return store_run_sql(tx, arg, error);
}

static void run_sql(struct site *site, const char *sql)
{
    g_autoptr(GError) error = NULL;
    if (!store_sync(site->engine->jobs.store, sql_job, (void *)sql, &error))
        fail_msg("%s", error->message);
}

/* A CHECK constraint says whether a query gives a number: only constant SQL can be run here. */
static void assert_count(struct site *site, const char *from, int expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *sql =
        g_strdup_printf("DROP TABLE IF EXISTS temp.said; CREATE TEMP TABLE said(n INTEGER CHECK(n = %d));"
                        "INSERT INTO said SELECT count(*) FROM %s;",
                        expected, from);
    if (!store_sync(site->engine->jobs.store, sql_job, sql, &error))
        fail_msg("%s is not %d: %s", from, expected, error->message);
}

static void on_swept(void *arg)
{
    ((struct site *)arg)->swept = true;
}

static void sweep(struct site *site)
{
    site->swept = false;
    retention_sweep(site->engine->jobs.retention, on_swept, site);
    while (!site->swept)
        loop_step(site->engine->jobs.loop);
    g_autofree char *id =
        start_run(site->engine, "keep"); /* whatever was queued after the sweep is done before this is */
}

#define MANY "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "

static void old_deliveries_go(void **state)
{
    struct site *site = *state;
    engine_add_runbook(site->engine, "keep", "", "```lua {step=a}\nlog(1)\n```\n");
    g_autofree char *sql = g_strdup_printf(
        MANY
        "INSERT INTO deliveries(source, dedup_key, received_at, body, state) SELECT 'pd', 'old' || i, %" G_GINT64_FORMAT
        " + i, x'00', CASE WHEN i = 7 THEN 'received' ELSE 'processed' END FROM n;"
        "INSERT INTO deliveries(source, dedup_key, received_at, body, state) VALUES('pd', 'young', %" G_GINT64_FORMAT
        ", x'00', 'dead');",
        NOW_MS - 4 * DAY_MS, NOW_MS - 2 * DAY_MS);
    run_sql(site, sql);
    sweep(site);
    assert_count(site, "deliveries WHERE dedup_key LIKE 'old%'", 1); /* it is still to be worked on */
    assert_count(site, "deliveries WHERE dedup_key = 'young'", 1);   /* within the time in which senders try again */
}

static void old_runs_go_with_all_that_hangs_on_them(void **state)
{
    struct site *site = *state;
    engine_add_runbook(site->engine, "keep", "", "```lua {step=a}\nlog(1)\n```\n");
    clock_set_fake(NOW_MS - 401 * DAY_MS);
    g_autofree char *old = start_run(site->engine, "keep"), *waiting = start_run(site->engine, "keep");
    clock_set_fake(NOW_MS);
    json_decref(call_ok(site->engine, run_cancel, json_pack("{s:s}", "id", old)));
    g_autofree char *sql = g_strdup_printf(
        "UPDATE runs SET ended_at = created_at WHERE id = '%s';" MANY
        "INSERT INTO events(run, attempt, seq, at, kind, body_json) SELECT '%s', 9, i, 0, 'output', '{}' FROM n;"
        "INSERT INTO output(run, n, stream, at, text) SELECT run, n, 'out', %" G_GINT64_FORMAT
        " + n, 'x' FROM events WHERE attempt = 9;"
        "INSERT INTO incidents(id, source, key, title, status, labels_json, opened_at, resolved_at, updated_at)"
        " VALUES('inc_old', 'pd', 'k', 't', 'resolved', '{}', 1, 2, 2), ('inc_open', 'pd', 'l', 't', 'triggered', "
        "'{}', 1, NULL, 2);"
        "INSERT INTO timeline(incident, at, kind, actor, text) VALUES('inc_old', 1, 'k', 'a', 't'), ('inc_open', 1, "
        "'k', 'a', 't');",
        old, old, NOW_MS - 91 * DAY_MS - 10000);
    run_sql(site, sql);
    g_autofree char *files = g_strdup_printf(
        "INSERT INTO files(run, n, at, name, bytes, content) VALUES('%s', 1, %" G_GINT64_FORMAT
        ", 'old', 1, x'00'), ('%s', 2, %" G_GINT64_FORMAT ", 'young', 1, x'00');" MANY
        "INSERT INTO files SELECT '%s', 10 + i, %" G_GINT64_FORMAT ", 'of an old run', 1, x'00' FROM n;",
        waiting, NOW_MS - 91 * DAY_MS, waiting, NOW_MS - 89 * DAY_MS, old, NOW_MS);
    run_sql(site, files);
    sweep(site);
    assert_count(site, "files", 1); /* those of output's age are gone, and those of a run that is */
    assert_count(site, "files WHERE name = 'young'", 1);
    call_refused(site->engine, run_get, json_pack("{s:s}", "id", old), ERROR_NOT_FOUND);
    assert_run(site->engine, waiting, "queued", "");
    assert_count(site, "events WHERE attempt = 9", 0);
    assert_count(site, "output", 0);
    assert_count(site, "incidents WHERE id = 'inc_old'", 0);
    assert_count(site, "incidents WHERE id = 'inc_open'", 1);
    assert_count(site, "timeline", 1);
    assert_count(site, "plans", 1); /* the runs that are left need it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(old_deliveries_go, setup, teardown),
        cmocka_unit_test_setup_teardown(old_runs_go_with_all_that_hangs_on_them, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
