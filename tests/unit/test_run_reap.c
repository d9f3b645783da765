/* What a lost worker's commands may have left on hosts: noted from the intents that are stored, given to the next poll
 * before any run, given again when nobody answers, and on the record in the end. */
#include "engine_support.h"

#include "jobs/run_reap.h"

enum { HOUR_MS = 3600 * 1000 };

#define STARTED(step)                                                                                                  \
    "[{\"seq\":1,\"kind\":\"run_start\"},{\"seq\":2,\"kind\":\"step_start\",\"step\":\"" step "\",\"try\":1}"
#define COMMAND(seq, step, host, sudo)                                                                                 \
    ",{\"seq\":" #seq ",\"kind\":\"command\",\"step\":\"" step "\",\"host\":\"" host                                   \
    "\",\"argv\":[\"x\"],\"sudo\":" sudo ",\"marker\":\"m\"}"
#define ENDED(seq, step, host)                                                                                         \
    ",{\"seq\":" #seq ",\"kind\":\"host\",\"step\":\"" step "\",\"host\":\"" host "\",\"result\":\"ok\",\"try\":1}"

static char *setup_run(struct engine *engine)
{
    engine_set_times(engine, 0, HOUR_MS, HOUR_MS);
    engine_add_runbook(
        engine, "disk", "",
        "## Look\n```lua {step=look effect=read}\nreturn 1\n```\n## Clean\n```lua {step=clean}\nreturn 2\n```\n");
    return start_run(engine, "disk");
}

/* A run whose worker said this, and was lost then. */
static void lose(struct engine *engine, const char *events)
{
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, events));
    run_leases_lose(engine->jobs.runs->leases, json_get_string(job, "lease", ""));
    while (run_leases_count(engine->jobs.runs->leases) > 0)
        loop_step(engine->jobs.loop);
}

static json_t *poll_as(struct engine *engine, const char *worker)
{
    return call_ok(engine, run_lease, json_pack("{s:{s:s, s:s}}", "body", "runner", "local", "worker", worker));
}

/* "db-1 web-1(sudo)": what a poll was given to look at; NULL when it was given no such thing. */
static char *hosts_text(const json_t *job)
{
    if (!json_object_get(job, "reap"))
        return NULL;
    GString *text = g_string_new(NULL);
    size_t index;
    json_t *host;
    json_array_foreach (json_path(job, "reap.hosts"), index, host)
        g_string_append_printf(text, "%s%s%s", text->len ? " " : "", json_get_string(host, "host", "?"),
                               json_get_bool(host, "sudo", false) ? "(sudo)" : "");
    return g_string_free(text, FALSE);
}

static json_t *reaped_request(const json_t *job, const char *host, json_t *stopped)
{
    return json_pack("{s:{s:s, s:O, s:O, s:[{s:s, s:o}]}}", "body", "worker", "w1", "run", json_path(job, "reap.run"),
                     "attempt", json_path(job, "reap.attempt"), "hosts", "host", host, "stopped", stopped);
}

static json_t *log_of(struct engine *engine, const char *id)
{
    g_autoptr(json_t) page = call_ok(engine, run_log, json_pack("{s:s}", "id", id));
    return json_incref(json_object_get(page, "items"));
}

/* The `stopped` of the run's only `reap` event, as JSON text; NULL when there is none. */
static char *told(struct engine *engine, const char *id, const char *host)
{
    g_autoptr(json_t) items = log_of(engine, id);
    char *text = NULL;
    size_t index;
    json_t *event;
    json_array_foreach (items, index, event) {
        if (strcmp(json_get_string(event, "kind", ""), "reap") != 0)
            continue;
        assert_null(text);
        assert_string_equal(json_get_string(event, "host", ""), host);
        text = json_dumps(json_object_get(event, "stopped"), JSON_ENCODE_ANY);
    }
    return text;
}

static void test_what_is_noted(void **state)
{
    static const struct {
        const char *events, *hosts, *why;
    } rows[] = {
        {STARTED("clean") "]", NULL, "no command"},
        {STARTED("clean") COMMAND(3, "clean", "db-1", "null") "]", "db-1", "begun and not ended"},
        {STARTED("clean") COMMAND(3, "clean", "db-1", "null") ENDED(4, "clean", "db-1") "]", NULL, "ended"},
        {STARTED("clean") COMMAND(3, "clean", "db-1", "null") COMMAND(4, "clean", "db-1", "null")
             ENDED(5, "clean", "db-1") "]",
         "db-1", "one of two has ended"},
        {STARTED("clean") COMMAND(3, "clean", "web-1", "\"root\"") COMMAND(4, "clean", "db-1", "null") "]",
         "db-1 web-1(sudo)", "two hosts, one with sudo"},
    };
    struct engine *engine = *state;
    g_autofree char *first = setup_run(engine);
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", first)));
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *id = start_run(engine, "disk");
        lose(engine, rows[i].events);
        g_autoptr(json_t) job = poll_as(engine, "w2");
        g_autofree char *hosts = hosts_text(job);
        if (g_strcmp0(hosts, rows[i].hosts) != 0)
            fail_msg("%s: %s", rows[i].why, hosts ? hosts : "nothing");
        size_t index;
        json_t *host;
        json_array_foreach (json_path(job, "reap.hosts"), index, host)
            json_decref(
                call_ok(engine, run_reaped, reaped_request(job, json_get_string(host, "host", ""), json_true())));
    }
}

/* The worker gets all that it needs to reach the host, and the answer stands where people look. */
static void test_the_look_is_on_the_record(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = setup_run(engine);
    lose(engine, STARTED("clean") COMMAND(3, "clean", "db-1", "null") "]");
    assert_run(engine, id, "unknown", "lost_runner");
    g_autoptr(json_t) job = poll_as(engine, "w2");
    assert_int_equal(json_array_size(json_object_get(job, "inventory")), 2); /* and its jump host */
    assert_null(json_find(json_object_get(job, "inventory"), "name", "web-1"));
    json_decref(call_ok(engine, run_reaped, reaped_request(job, "db-1", json_true())));
    json_decref(
        call_ok(engine, run_reaped, reaped_request(job, "db-1", json_null()))); /* said twice: the first counts */
    g_autofree char *stopped = told(engine, id, "db-1");
    assert_string_equal(stopped, "true");
    g_autoptr(json_t) run = get_run(engine, id);
    assert_string_equal(json_get_string(run, "state", ""),
                        "unknown"); /* whether it ran to its end is still not known */
    const json_t *host = json_array_get(json_object_get(step_at(run, 1), "hosts"), 0);
    assert_string_equal(json_get_string(host, "error", ""), "may have run: 'x'; stopped, or had ended");
}

/* A step that may run again does so after the look: never beside what the lost one left. */
static void test_the_run_waits_for_the_look(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = setup_run(engine);
    lose(engine, STARTED("look") COMMAND(3, "look", "db-1", "null") "]");
    assert_run(engine, id, "queued", "");
    g_autoptr(json_t) look = poll_as(engine, "w2");
    assert_non_null(json_object_get(look, "reap"));
    g_autoptr(json_t) none = poll_as(engine, "w3");
    assert_null(none);
    json_decref(call_ok(engine, run_reaped, reaped_request(look, "db-1", json_false())));
    g_autoptr(json_t) job = take_job(engine);
    assert_string_equal(json_get_string(job, "run", ""), id);
    assert_int_equal(json_get_integer(job, "attempt", 0), 2);
    g_autofree char *stopped = told(engine, id, "db-1");
    assert_string_equal(stopped, "false");
}

/* A worker that dies over it, or a server that was restarted, changes nothing; the fourth time nobody is asked. */
static void test_it_is_given_again_but_not_for_ever(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = setup_run(engine);
    lose(engine, STARTED("look") COMMAND(3, "look", "db-1", "null") "]");
    for (int i = 0; i < 3; i++) {
        g_autoptr(json_t) look = poll_as(engine, "w2");
        assert_non_null(json_object_get(look, "reap"));
        if (i == 1)
            engine_reopen(engine);
        else
            run_reap_release(&engine->jobs, "w2");
        settle_writes(engine);
        engine_set_times(engine, 0, HOUR_MS, HOUR_MS);
    }
    g_autoptr(json_t) job = take_job(engine);
    assert_string_equal(json_get_string(job, "run", ""), id);
    g_autofree char *stopped = told(engine, id, "db-1");
    assert_string_equal(stopped, "null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_noted, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_the_look_is_on_the_record, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_the_run_waits_for_the_look, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_it_is_given_again_but_not_for_ever, engine_setup, engine_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
