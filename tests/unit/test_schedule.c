/* Schedules: which slots fire, exactly once, across restarts, changes and clocks that jump. */
#include "engine_support.h"
#include "jobs/schedule_plan.h"

static int64_t at(const char *text)
{
    int64_t ms = 0;
    g_autoptr(GError) error = NULL;
    assert_true(clock_parse(text, &ms, &error));
    return ms;
}

/* --- the plan: pure --------------------------------------------------------------------------------------------------
 */

struct plan_row {
    const char *cron, *zone;
    enum schedule_catch_up catch_up;
    const char *after, *now;
    const char *slots[6]; /* expected, UTC */
    const char *why;
};

static const struct plan_row plan_rows[] = {
    {"*/10 * * * *",
     "UTC",
     SCHEDULE_SKIP,
     "2026-03-01T10:00:00Z",
     "2026-03-01T10:10:00Z",
     {"2026-03-01T10:10:00Z"},
     "on time"},
    {"*/10 * * * *", "UTC", SCHEDULE_SKIP, "2026-03-01T10:00:00Z", "2026-03-01T10:09:59Z", {NULL}, "not yet"},
    {"*/10 * * * *",
     "UTC",
     SCHEDULE_SKIP,
     "2026-03-01T10:10:00Z",
     "2026-03-01T10:10:30Z",
     {NULL},
     "a slot that is over does not come again"},
    {"*/10 * * * *",
     "UTC",
     SCHEDULE_SKIP,
     "2026-03-01T10:00:00Z",
     "2026-03-01T10:11:00Z",
     {"2026-03-01T10:10:00Z"},
     "a minute late is still on time"},
    {"*/10 * * * *",
     "UTC",
     SCHEDULE_SKIP,
     "2026-03-01T10:00:00Z",
     "2026-03-01T10:35:00Z",
     {NULL},
     "missed slots are skipped"},
    {"*/10 * * * *",
     "UTC",
     SCHEDULE_SKIP,
     "2026-03-01T10:00:00Z",
     "2026-03-01T10:30:10Z",
     {"2026-03-01T10:30:00Z"},
     "but not the one that is due now"},
    {"*/10 * * * *",
     "UTC",
     SCHEDULE_ONCE,
     "2026-03-01T10:00:00Z",
     "2026-03-01T10:35:00Z",
     {"2026-03-01T10:30:00Z"},
     "one run stands for all that were missed"},
    {"*/10 * * * *",
     "UTC",
     SCHEDULE_ONCE,
     "2026-03-01T10:00:00Z",
     "2026-03-01T10:30:10Z",
     {"2026-03-01T10:30:00Z"},
     "and the one that is due is that one"},
    {"*/10 * * * *",
     "UTC",
     SCHEDULE_ALL,
     "2026-03-01T10:00:00Z",
     "2026-03-01T10:35:00Z",
     {"2026-03-01T10:10:00Z", "2026-03-01T10:20:00Z", "2026-03-01T10:30:00Z"},
     "each"},
    {"0 9 * * MON-FRI",
     "Asia/Tokyo",
     SCHEDULE_ALL,
     "2026-03-06T00:00:00Z",
     "2026-03-09T01:00:00Z",
     {"2026-03-09T00:00:00Z"},
     "nine in Tokyo, not on a weekend"},
    {"30 2 * * *",
     "Europe/Berlin",
     SCHEDULE_ALL,
     "2026-03-28T02:00:00Z",
     "2026-03-30T02:00:00Z",
     {"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
     "half past two does not exist: it fires at the end of the gap"},
    {"30 2 * * *",
     "Europe/Berlin",
     SCHEDULE_ALL,
     "2026-10-24T02:00:00Z",
     "2026-10-26T02:00:00Z",
     {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
     "half past two comes twice: it fires at the first"},
    {"30 1 * * *",
     "America/New_York",
     SCHEDULE_ALL,
     "2026-10-31T06:00:00Z",
     "2026-11-02T07:00:00Z",
     {"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"},
     "the same in New York"},
    {"0 * * * *",
     "America/New_York",
     SCHEDULE_ALL,
     "2026-11-01T04:30:00Z",
     "2026-11-01T08:00:00Z",
     {"2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z", "2026-11-01T08:00:00Z"},
     "hourly follows real time"},
};

static void test_plan(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(plan_rows); i++) {
        const struct plan_row *row = &plan_rows[i];
        g_autoptr(cron_t) cron = cron_parse(row->cron, NULL);
        GTimeZone *zone = cron_zone(row->zone, NULL);
        struct schedule_plan plan = {.cron = cron, .zone = zone, .catch_up = row->catch_up, .id = "x"};
        int64_t seen;
        g_autoptr(GArray) slots = schedule_due(&plan, at(row->after), at(row->now), &seen);
        guint wanted = 0;
        for (; wanted < G_N_ELEMENTS(row->slots) && row->slots[wanted]; wanted++)
            if (wanted >= slots->len || g_array_index(slots, int64_t, wanted) != at(row->slots[wanted]))
                fail_msg("%s: slot %u is not %s", row->why, wanted, row->slots[wanted]);
        if (slots->len != wanted)
            fail_msg("%s: %u slots instead of %u", row->why, slots->len, wanted);
        assert_true(seen <= at(row->now));
        g_time_zone_unref(zone);
    }
}

static void test_catch_up_has_a_ceiling(void **state)
{
    (void)state;
    g_autoptr(cron_t) cron = cron_parse("* * * * *", NULL);
    GTimeZone *zone = cron_zone(NULL, NULL);
    struct schedule_plan plan = {.cron = cron, .zone = zone, .catch_up = SCHEDULE_ALL, .id = "x"};
    int64_t seen;
    g_autoptr(GArray) slots = schedule_due(&plan, at("2026-03-01T00:00:00Z"), at("2026-03-02T00:00:30Z"), &seen);
    assert_int_equal(slots->len, SCHEDULE_CATCH_UP_MAXIMUM + 1); /* and the one that is on time */
    assert_true(g_array_index(slots, int64_t, slots->len - 1) == at("2026-03-02T00:00:00Z"));
    g_time_zone_unref(zone);
}

/* What stands in a blackout neither fires nor is caught up, and is over all the same. */
static void test_blackout(void **state)
{
    (void)state;
    g_autoptr(cron_t) cron = cron_parse("0 * * * *", NULL);
    GTimeZone *zone = cron_zone("Asia/Tokyo", NULL);
    g_autoptr(json_t) blackout = json_pack("[{s:i, s:i, s:i}]", "days", 0x7f, "from", 22 * 60, "to", 6 * 60);
    struct schedule_plan plan = {.cron = cron, .zone = zone, .catch_up = SCHEDULE_ALL, .id = "x", .blackout = blackout};
    int64_t from, to, seen;
    assert_true(clock_parse("2026-11-20T11:30:00Z", &from, NULL)); /* 20:30 in Tokyo */
    assert_true(clock_parse("2026-11-20T21:00:00Z", &to, NULL));   /* 06:00 */
    g_autoptr(GArray) slots = schedule_due(&plan, from, to, &seen);
    assert_int_equal(slots->len, 2); /* 21:00 and 06:00 */
    assert_int_equal(g_array_index(slots, int64_t, 0), from + 30 * 60 * 1000);
    assert_int_equal(g_array_index(slots, int64_t, 1), to);
    assert_int_equal(seen, to);
    g_time_zone_unref(zone);
}

static void test_jitter(void **state)
{
    (void)state;
    g_autoptr(cron_t) cron = cron_parse("0 * * * *", NULL);
    GTimeZone *zone = cron_zone(NULL, NULL);
    struct schedule_plan one = {.cron = cron, .zone = zone, .jitter_ms = 600000, .id = "one"}, two = one;
    two.id = "two";
    bool differ = false;
    for (int64_t slot = at("2026-03-01T00:00:00Z"); slot < at("2026-03-02T00:00:00Z"); slot += 3600000) {
        int64_t fire_at = schedule_fire_at(&one, slot);
        assert_true(fire_at >= slot && fire_at < slot + 600000);
        assert_true(fire_at == schedule_fire_at(&one, slot));
        differ = differ || fire_at != schedule_fire_at(&two, slot);
    }
    assert_true(differ);
    g_time_zone_unref(zone);
}

static void test_catch_up_names(void **state)
{
    (void)state;
    enum schedule_catch_up catch_up;
    assert_true(schedule_catch_up_from_name(NULL, &catch_up));
    assert_int_equal(catch_up, SCHEDULE_SKIP);
    assert_true(schedule_catch_up_from_name("all", &catch_up));
    assert_int_equal(catch_up, SCHEDULE_ALL);
    assert_false(schedule_catch_up_from_name("some", &catch_up));
}

/* --- the service -----------------------------------------------------------------------------------------------------
 */

static struct runbook *nightly(struct engine *engine, const char *id, const char *trigger)
{
    g_autofree char *front = g_strdup_printf("triggers:\n  - %s\n", trigger);
    return engine_add_runbook(engine, id, front, "## Look\n```lua {step=look effect=read}\nreturn 1\n```\n");
}

static const char every_ten[] = "{kind: schedule, cron: \"*/10 * * * *\"}";

static void start_schedules(struct engine *engine)
{
    g_autoptr(GError) error = NULL;
    engine->jobs.schedules = schedule_service_new(&engine->jobs, &error);
    assert_null(error);
}

/* Stops and starts the server at a time. */
static void restart_at(struct engine *engine, const char *now)
{
    clock_set_fake(at(now));
    engine_reopen(engine);
    start_schedules(engine);
}

static size_t count_runs(struct engine *engine)
{
    g_autoptr(json_t) list = call_ok(engine, run_list, json_object());
    return json_array_size(json_object_get(list, "items"));
}

/* Runs the loop until there are `wanted` runs; a firing too many shows in the next assertion. */
static void await_runs(struct engine *engine, size_t wanted)
{
    while (count_runs(engine) < wanted)
        loop_step(engine->jobs.loop);
    assert_int_equal(count_runs(engine), wanted);
}

static void test_fires_once(void **state)
{
    struct engine *engine = *state;
    clock_set_fake(at("2026-03-01T10:05:00Z"));
    nightly(engine, "check", every_ten);
    start_schedules(engine);
    assert_int_equal(count_runs(engine), 0);
    restart_at(engine, "2026-03-01T10:10:00Z");
    await_runs(engine, 1);
    restart_at(engine, "2026-03-01T10:10:20Z");
    restart_at(engine, "2026-03-01T10:20:05Z");
    await_runs(engine, 2);
    g_autoptr(json_t) list = call_ok(engine, run_list, json_object());
    const json_t *run = json_array_get(json_object_get(list, "items"), 0);
    assert_string_equal(json_path_string(run, "trigger.kind"), "schedule");
    assert_string_equal(json_path_string(run, "requested_by.kind"), "schedule");
}

/* The clock goes back over a slot that has fired: the unique key stands. */
static void test_clock_back(void **state)
{
    struct engine *engine = *state;
    clock_set_fake(at("2026-03-01T10:05:00Z"));
    nightly(engine, "check", every_ten);
    start_schedules(engine);
    restart_at(engine, "2026-03-01T10:10:00Z");
    await_runs(engine, 1);
    restart_at(engine, "2026-03-01T10:09:00Z");
    restart_at(engine, "2026-03-01T10:10:01Z");
    restart_at(engine, "2026-03-01T10:20:00Z");
    await_runs(engine, 2);
}

static void test_missed(void **state)
{
    static const struct {
        const char *trigger;
        size_t runs;
    } rows[] = {
        {"{kind: schedule, cron: \"*/10 * * * *\"}", 0},
        {"{kind: schedule, cron: \"*/10 * * * *\", catch_up: once}", 1},
        {"{kind: schedule, cron: \"*/10 * * * *\", catch_up: all}", 3},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct engine *engine;
        engine_setup((void **)&engine);
        clock_set_fake(at("2026-03-01T10:05:00Z"));
        nightly(engine, "check", rows[i].trigger);
        start_schedules(engine);
        restart_at(engine, "2026-03-01T10:35:00Z");
        await_runs(engine, rows[i].runs);
        restart_at(engine, "2026-03-01T10:40:00Z"); /* and then as if nothing had been */
        await_runs(engine, rows[i].runs + 1);
        engine_teardown((void **)&engine);
    }
    (void)state;
}

/* A schedule that was not there, or was another, when its slot passed has missed nothing. */
static void test_changed_starts_from_now(void **state)
{
    struct engine *engine = *state;
    clock_set_fake(at("2026-03-01T10:05:00Z"));
    nightly(engine, "check", "{kind: schedule, cron: \"0 * * * *\", catch_up: all}");
    start_schedules(engine);
    clock_set_fake(at("2026-03-01T10:35:00Z"));
    g_ptr_array_set_size(engine->set.runbooks, 0);
    nightly(engine, "check", "{kind: schedule, cron: \"*/10 * * * *\", catch_up: all}");
    schedule_catalog_changed(&engine->jobs);
    settle_writes(engine);
    restart_at(engine, "2026-03-01T10:40:00Z");
    await_runs(engine, 1);
}

static int64_t committed(struct engine *engine)
{
    g_autoptr(json_t) stats = store_stats(engine->jobs.store);
    return json_get_integer(stats, "writes_committed", -1);
}

static int64_t waiting(struct engine *engine)
{
    g_autoptr(json_t) stats = store_stats(engine->jobs.store);
    return json_get_integer(stats, "writes_waiting", 0);
}

/* Holds the writer up for as long as the test holds the mutex. */
static bool hold_job(struct store_tx *tx, void *arg, GError **error)
{
    (void)tx, (void)error;
    g_mutex_lock(arg);
    g_mutex_unlock(arg);
    return true;
}

/* A catalog whose schedules could not be written: they are not taken for schedules that have slept since 1970. */
static void test_failed_sync(void **state)
{
    enum { QUEUE_LIMIT = 10000 };
    struct engine *engine = *state;
    clock_set_fake(at("2026-03-01T10:05:00Z"));
    start_schedules(engine);
    nightly(engine, "check", "{kind: schedule, cron: \"*/10 * * * *\", catch_up: all}");
    GMutex mutex;
    g_mutex_init(&mutex);
    g_mutex_lock(&mutex);
    store_write(engine->jobs.store, STORE_NORMAL, hold_job, NULL, &mutex);
    for (int i = 0; i <= QUEUE_LIMIT; i++)
        store_write(engine->jobs.store, STORE_NORMAL, nothing_job, NULL, NULL);
    schedule_catalog_changed(&engine->jobs); /* refused: too many wait */
    g_mutex_unlock(&mutex);
    while (waiting(engine) > 0)
        loop_step(engine->jobs.loop);
    settle_writes(engine);
    g_mutex_clear(&mutex);
    int64_t before = committed(engine);
    while (committed(engine) == before)
        loop_step(engine->jobs.loop); /* until it is tried again */
    assert_int_equal(count_runs(engine), 0);
    restart_at(engine, "2026-03-01T10:10:00Z");
    await_runs(engine, 1);
}

static void test_list(void **state)
{
    struct engine *engine = *state;
    clock_set_fake(at("2026-03-01T10:05:00Z"));
    nightly(engine, "check", "{kind: schedule, cron: \"0 9 * * MON-FRI\", timezone: Asia/Tokyo}");
    start_schedules(engine);
    g_autoptr(json_t) list = call_ok(engine, schedule_list, json_object());
    const json_t *item = json_array_get(json_object_get(list, "items"), 0);
    assert_string_equal(json_get_string(item, "runbook", ""), "check");
    assert_string_equal(json_get_string(item, "timezone", ""), "Asia/Tokyo");
    assert_string_equal(json_string_value(json_array_get(json_object_get(item, "next"), 0)),
                        "2026-03-02T00:00:00.000Z");
    assert_true(json_is_null(json_object_get(item, "last")));
}

#define engine_test(f) cmocka_unit_test_setup_teardown(f, engine_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_catch_up_has_a_ceiling),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_blackout),
        cmocka_unit_test(test_catch_up_names),
        engine_test(test_fires_once),
        engine_test(test_clock_back),
        cmocka_unit_test(test_missed),
        engine_test(test_changed_starts_from_now),
        engine_test(test_failed_sync),
        engine_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
