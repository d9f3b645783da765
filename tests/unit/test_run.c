/* Runs from start to end through the runner protocol: leases, events, recovery, cancel, resolve, guards. */
#include "engine_support.h"

static const char start_and_step[] =
    "[{\"seq\":1,\"kind\":\"run_start\"},{\"seq\":2,\"kind\":\"step_start\",\"step\":\"look\",\"try\":1}]";

/* A runbook with a read step and a write step. */
static struct runbook *limited(struct engine *engine, const char *id, const char *limits)
{
    g_autofree char *front = g_strdup_printf("params: {host: {type: string}, n: {type: integer}}\n%s", limits);
    return engine_add_runbook(
        engine, id, front,
        "## Look\n```lua {step=look effect=read}\nreturn 1\n```\n## Clean\n```lua {step=clean}\nreturn 2\n```\n");
}

static struct runbook *two_steps(struct engine *engine, const char *id)
{
    return limited(engine, id, "");
}

static void test_whole_run(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    assert_run(engine, id, "queued", "");
    g_autoptr(json_t) job = take_job(engine);
    assert_string_equal(json_get_string(job, "run", ""), id);
    assert_int_equal(json_get_integer(job, "attempt", 0), 1);
    assert_run(engine, id, "running", "");
    json_decref(send_events(engine, job, start_and_step));
    g_autoptr(json_t) answer = send_events(
        engine, job,
        "[{\"seq\":3,\"kind\":\"command\",\"step\":\"look\",\"host\":\"db-1\",\"argv\":[\"df\"]},"
        "{\"seq\":4,\"kind\":\"output\",\"step\":\"look\",\"host\":\"db-1\",\"stream\":\"out\",\"text\":\"91%\\n\"},"
        "{\"seq\":5,\"kind\":\"host\",\"step\":\"look\",\"host\":\"db-1\",\"result\":\"ok\",\"code\":0,\"duration_ms\":"
        "12},"
        "{\"seq\":6,\"kind\":\"report\",\"step\":\"look\",\"report_kind\":\"metric\",\"title\":\"used\",\"value\":91,"
        "\"unit\":\"%\"},"
        "{\"seq\":7,\"kind\":\"note\",\"step\":\"look\",\"text\":\"it is full\"},"
        "{\"seq\":8,\"kind\":\"step_end\",\"step\":\"look\",\"result\":\"ok\",\"data\":{\"used\":91},\"duration_ms\":"
        "20},"
        "{\"seq\":9,\"kind\":\"step_start\",\"step\":\"clean\",\"try\":1},"
        "{\"seq\":10,\"kind\":\"step_end\",\"step\":\"clean\",\"result\":\"ok\"},"
        "{\"seq\":11,\"kind\":\"run_end\",\"state\":\"succeeded\",\"verified\":true}]");
    assert_int_equal(json_get_integer(answer, "acked", 0), 11);
    g_autoptr(json_t) run = get_run(engine, id);
    assert_string_equal(json_get_string(run, "state", ""), "succeeded");
    assert_true(json_is_true(json_object_get(run, "verified")));
    assert_int_equal(json_integer_value(json_path(run, "data.used")), 91);
    const json_t *look = step_at(run, 0);
    assert_string_equal(json_get_string(look, "result", ""), "ok");
    assert_string_equal(json_get_string(look, "effect", ""), "read");
    assert_int_equal(json_integer_value(json_path(look, "output.bytes")), 4);
    assert_string_equal(json_get_string(json_array_get(json_object_get(look, "hosts"), 0), "host", ""), "db-1");
    assert_string_equal(json_get_string(json_array_get(json_object_get(run, "reports"), 0), "kind", ""), "metric");
    assert_string_equal(json_get_string(json_array_get(json_object_get(run, "notes"), 0), "text", ""), "it is full");
}

/* A command that was told to stop ends when its step has ended, or a later try runs: it is on the record of its step.
 */
static void test_late_end_of_a_command(void **state)
{
    static const struct {
        const char *events, *result, *why;
    } rows[] = {
        {"[{\"seq\":3,\"kind\":\"step_end\",\"step\":\"look\",\"result\":\"timed_out\"},"
         "{\"seq\":4,\"kind\":\"host\",\"step\":\"look\",\"try\":1,\"host\":\"db-1\",\"result\":\"cancelled\","
         "\"error\":{\"code\":\"cancelled\",\"message\":\"could not confirm that it stopped on "
         "db-1\"},\"stopped\":false}]",
         "cancelled", "after its step"},
        {"[{\"seq\":3,\"kind\":\"retry\",\"step\":\"look\"},{\"seq\":4,\"kind\":\"step_start\",\"step\":\"look\","
         "\"try\":2},"
         "{\"seq\":5,\"kind\":\"host\",\"step\":\"look\",\"try\":1,\"host\":\"db-1\",\"result\":\"cancelled\"}]",
         "cancelled", "the second try has not used the host yet"},
        {"[{\"seq\":3,\"kind\":\"retry\",\"step\":\"look\"},{\"seq\":4,\"kind\":\"step_start\",\"step\":\"look\","
         "\"try\":2},"
         "{\"seq\":5,\"kind\":\"host\",\"step\":\"look\",\"try\":2,\"host\":\"db-1\",\"result\":\"ok\"},"
         "{\"seq\":6,\"kind\":\"host\",\"step\":\"look\",\"try\":1,\"host\":\"db-1\",\"result\":\"cancelled\"}]",
         "ok", "the second try's word stands"},
    };
    struct engine *engine = *state;
    two_steps(engine, "disk");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *id = start_run(engine, "disk");
        g_autoptr(json_t) job = take_job(engine);
        json_decref(send_events(engine, job, start_and_step));
        json_decref(send_events(engine, job, rows[i].events));
        json_decref(send_events(engine, job, rows[i].events)); /* said twice, counted once */
        g_autoptr(json_t) run = get_run(engine, id), log = call_ok(engine, run_log, json_pack("{s:s}", "id", id));
        const json_t *hosts = json_object_get(step_at(run, 0), "hosts"), *items = json_object_get(log, "items");
        const json_t *last = json_array_get(items, json_array_size(items) - 1);
        assert_int_equal(json_array_size(hosts), 1);
        if (strcmp(json_get_string(json_array_get(hosts, 0), "result", ""), rows[i].result) != 0)
            fail_msg("%s", rows[i].why);
        assert_string_equal(json_get_string(last, "kind", ""), "host");
        assert_string_equal(json_get_string(last, "step", ""), "look");
        assert_int_equal(json_get_integer(last, "try", 0), 1);
    }
}

static void test_log(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, start_and_step));
    json_decref(send_events(
        engine, job, "[{\"seq\":3,\"kind\":\"output\",\"step\":\"look\",\"stream\":\"log\",\"text\":\"a\\u0000b\"}]"));
    g_autoptr(json_t) log = call_ok(engine, run_log, json_pack("{s:s}", "id", id));
    const json_t *items = json_object_get(log, "items");
    static const char *const kinds[] = {"run", "run", "run_start", "step_start", "output"};
    assert_int_equal(json_array_size(items), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(json_get_string(json_array_get(items, i), "kind", ""), kinds[i]);
    assert_string_equal(json_get_string(json_array_get(items, 4), "text", ""), "a\xef\xbf\xbd"
                                                                               "b");
    assert_true(json_is_null(json_object_get(json_array_get(items, 0), "seq")));
    assert_false(json_get_bool(log, "ended", true));
    assert_false(json_get_bool(log, "more", true));
    g_autoptr(json_t) rest =
        call_ok(engine, run_log, json_pack("{s:s, s:I}", "id", id, "after", json_get_integer(log, "next", 0)));
    assert_int_equal(json_array_size(json_object_get(rest, "items")), 0);
    g_autoptr(json_t) first = call_ok(engine, run_log, json_pack("{s:s, s:s}", "id", id, "limit", "2"));
    assert_int_equal(json_array_size(json_object_get(first, "items")), 2);
    assert_true(json_get_bool(first, "more", false));
}

/* However many events are asked for, a page stays small: the output of a run may be 64 MiB. */
static void test_log_pages_are_bounded(void **state)
{
    enum { CHUNKS = 40 };
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk"), *chunk = g_strnfill(LIMIT_OUTPUT_CHUNK_BYTES, 'x');
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, start_and_step));
    for (int seq = 3; seq < 3 + CHUNKS; seq++) {
        g_autofree char *event = g_strdup_printf(
            "[{\"seq\":%d,\"kind\":\"output\",\"step\":\"look\",\"stream\":\"out\",\"text\":\"%s\"}]", seq, chunk);
        json_decref(send_events(engine, job, event));
    }
    size_t outputs = 0, pages = 0;
    json_int_t after = 0;
    for (bool more = true; more; pages++) {
        g_autoptr(json_t) page =
            call_ok(engine, run_log, json_pack("{s:s, s:I, s:i}", "id", id, "after", after, "limit", 5000));
        g_autofree char *text = json_text(page);
        assert_true(strlen(text) < LIMIT_LOG_PAGE_BYTES + 2 * LIMIT_OUTPUT_CHUNK_BYTES);
        size_t index;
        json_t *event;
        json_array_foreach (json_object_get(page, "items"), index, event)
            outputs += strcmp(json_get_string(event, "kind", ""), "output") == 0;
        after = json_get_integer(page, "next", 0);
        more = json_get_bool(page, "more", false);
    }
    assert_int_equal(outputs, CHUNKS);
    assert_true(pages > 1);
}

static void test_events_once(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, start_and_step));
    g_autoptr(json_t) again = send_events(engine, job, start_and_step);
    assert_int_equal(json_get_integer(again, "acked", 0), 2);
    /* overlapping: the known part is dropped, the new part applied */
    g_autoptr(json_t) more = send_events(engine, job,
                                         "[{\"seq\":2,\"kind\":\"step_start\",\"step\":\"look\",\"try\":1},"
                                         "{\"seq\":3,\"kind\":\"note\",\"step\":\"look\",\"text\":\"one\"}]");
    assert_int_equal(json_get_integer(more, "acked", 0), 3);
    call_refused(engine, run_events,
                 events_request(job, "[{\"seq\":5,\"kind\":\"note\",\"step\":\"look\",\"text\":\"gap\"}]"),
                 ERROR_CONFLICT);
    g_autoptr(json_t) run = get_run(engine, id);
    assert_int_equal(json_array_size(json_object_get(run, "notes")), 1);
}

/* The answer to the last batch was lost: the runner sends it again, and hears that all is well. */
static void test_end_acknowledged_twice(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    const char *end = "[{\"seq\":1,\"kind\":\"run_start\"},{\"seq\":2,\"kind\":\"run_end\",\"state\":\"failed\","
                      "\"reason\":\"timed_out\"}]";
    json_decref(send_events(engine, job, end));
    g_autoptr(json_t) again = send_events(engine, job, end);
    assert_int_equal(json_get_integer(again, "acked", 0), 2);
    assert_run(engine, id, "failed", "timed_out");
    call_refused(engine, run_events, events_request(job, "[{\"seq\":3,\"kind\":\"run_start\"}]"), ERROR_CONFLICT);
    g_autoptr(json_t) run = get_run(engine, id);
    assert_string_equal(json_get_string(step_at(run, 0), "result", ""), "not_reached");
}

static void test_bad_events(void **state)
{
    struct engine *engine = *state;
    static const struct {
        const char *events;
        int error;
        const char *why;
    } rows[] = {
        {"[{\"seq\":1,\"kind\":\"dance\"}]", ERROR_INVALID, "no such event"},
        {"[{\"seq\":1}]", ERROR_INVALID, "no kind"},
        {"{}", ERROR_INVALID, "not a list"},
        {"[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"nope\"}]", ERROR_NOT_FOUND, "no such step"},
        {"[{\"seq\":1,\"kind\":\"step_start\"}]", ERROR_INVALID, "no step"},
        {"[{\"seq\":1,\"kind\":\"command\",\"step\":\"look\",\"host\":\"db-1\"}]", ERROR_CONFLICT,
         "an effect before its step's start was acknowledged"},
        {"[{\"seq\":1,\"kind\":\"step_end\",\"step\":\"look\",\"result\":\"great\"}]", ERROR_INVALID, "not a result"},
        {"[{\"seq\":1,\"kind\":\"run_end\",\"state\":\"suppressed\"}]", ERROR_INVALID, "not an end for runners"},
        {"[{\"seq\":1,\"kind\":\"run_end\",\"state\":\"failed\",\"reason\":\"bored\"}]", ERROR_INVALID, "not a reason"},
        {"[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"look\"},{\"seq\":2,\"kind\":\"run_end\",\"state\":"
         "\"succeeded\"}]",
         ERROR_CONFLICT, "a run cannot end while its step runs"},
        {"[{\"seq\":1,\"kind\":\"run_end\",\"state\":\"succeeded\"},{\"seq\":2,\"kind\":\"run_start\"}]",
         ERROR_CONFLICT, "nothing follows the end"},
        {"[{\"seq\":0,\"kind\":\"run_start\"}]", ERROR_CONFLICT, "numbers begin at 1"},
    };
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct answer answer = call_as(engine, run_events, events_request(job, rows[i].events), &operator_actor);
        if (answer.error != rows[i].error)
            fail_msg("%s: got %s", rows[i].why, answer.message ? answer.message : "an answer");
        answer_clear(&answer);
    }
    assert_run(engine, id, "running", ""); /* nothing of all that was kept */
    g_autoptr(json_t) log = call_ok(engine, run_log, json_pack("{s:s}", "id", id));
    assert_int_equal(json_array_size(json_object_get(log, "items")), 2);
}

/* --- leases ----------------------------------------------------------------------------------------------------------
 */

static void test_poll_waits(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    struct answer poll = {0};
    g_autoptr(json_t) request = json_pack("{s:{s:s}}", "body", "worker", "w1");
    run_lease(&engine->jobs, request, &operator_actor, take_answer, &poll);
    assert_false(poll.done);
    g_autofree char *id = start_run(engine, "disk");
    while (!poll.done)
        loop_step(engine->jobs.loop);
    assert_string_equal(json_get_string(poll.result, "run", ""), id);
    answer_clear(&poll);
}

static void test_poll_ends(void **state)
{
    struct engine *engine = *state;
    engine_set_times(engine, 10, 5000, 30000);
    assert_null(poll_job(engine));
    call_refused(engine, run_lease, json_pack("{s:{}}", "body"), ERROR_INVALID);
}

static void test_one_run_one_worker(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    engine_set_times(engine, 10, 5000, 30000);
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = poll_job(engine);
    assert_non_null(job);
    assert_null(poll_job(engine)); /* leased, though not yet confirmed */
}

/* Runs the loop until nobody has the run. */
static void await_unleased(struct engine *engine)
{
    while (run_leases_count(engine->jobs.runs->leases) > 0)
        loop_step(engine->jobs.loop);
}

static void test_unconfirmed_goes_back(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) lost = poll_job(engine);
    engine_set_times(engine, 60000, 1, 60000);
    await_unleased(engine);
    engine_set_times(engine, 60000, 60000, 60000);
    g_autoptr(json_t) job = poll_job(engine);
    assert_int_equal(json_get_integer(job, "attempt", 0), 2);
    call_refused(engine, run_confirm, of_job(lost), ERROR_CONFLICT);
    json_decref(call_ok(engine, run_confirm, of_job(job)));
    json_decref(call_ok(engine, run_confirm, of_job(job))); /* said twice */
    call_refused(engine, run_events, events_request(lost, start_and_step), ERROR_CONFLICT);
}

/* No job can be made of the run, and the first time that cannot be written either: it is tried again. */
static void test_impossible(void **state)
{
    struct engine *engine = *state;
    struct runbook *runbook = two_steps(engine, "disk");
    g_free(runbook->hosts);
    runbook->hosts = g_strdup("((");
    engine_set_times(engine, 1, 1, 60000);
    g_atomic_int_set(&engine_end_fails, 1);
    g_autofree char *id = start_run(engine, "disk");
    for (bool ended = false; !ended;) {
        assert_null(poll_job(engine));
        g_autoptr(json_t) run = get_run(engine, id);
        ended = strcmp(json_get_string(run, "state", ""), "failed") == 0;
    }
    assert_int_equal(g_atomic_int_get(&engine_end_fails), 0);
    assert_run(engine, id, "failed", "step_failed");
    await_unleased(engine);
}

struct loss {
    const char *events;
    const char *state, *reason, *look, *clean;
    const char *why;
};

static void test_lost_runner(void **state)
{
    static const struct loss rows[] = {
        {"[]", "queued", "", "pending", "pending", "nothing had begun"},
        {"[{\"seq\":1,\"kind\":\"run_start\"}]", "queued", "", "pending", "pending",
         "between steps nothing is half done"},
        {"[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"look\"}]", "queued", "", "pending", "pending",
         "a read step may run again"},
        {"[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"look\"},{\"seq\":2,\"kind\":\"retry\",\"step\":\"look\"}]",
         "queued", "", "pending", "pending", "between two tries"},
        {"[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"clean\"}]", "unknown", "lost_runner", "pending", "done",
         "a write step may have run: never again by itself"},
        {"[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"clean\"},{\"seq\":2,\"kind\":\"step_end\",\"step\":\"clean\","
         "\"result\":\"ok\"}]",
         "queued", "", "pending", "done", "a step that ended stays ended"},
    };
    struct engine *engine = *state;
    two_steps(engine, "disk");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        engine_set_times(engine, 60000, 60000, 60000);
        g_autofree char *id = start_run(engine, "disk");
        g_autoptr(json_t) job = take_job(engine);
        json_decref(send_events(engine, job, rows[i].events));
        engine_set_times(engine, 60000, 60000, 1);
        await_run(engine, id, rows[i].state);
        g_autoptr(json_t) run = get_run(engine, id);
        assert_string_equal(json_get_string(run, "reason", ""), rows[i].reason);
        assert_string_equal(json_get_string(step_at(run, 0), "state", ""), rows[i].look);
        assert_string_equal(json_get_string(step_at(run, 1), "state", ""), rows[i].clean);
        call_refused(engine, run_events, events_request(job, "[{\"seq\":3,\"kind\":\"run_start\"}]"), ERROR_CONFLICT);
        if (strcmp(rows[i].state, "queued") == 0)
            json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", id)));
    }
}

static json_t *renew(struct engine *engine, const json_t *job)
{
    const char *lease = json_get_string(job, "lease", "");
    g_autoptr(json_t) answer =
        call_ok(engine, run_renew, json_pack("{s:{s:s, s:[s]}}", "body", "worker", "w1", "leases", lease));
    return json_incref(json_object_get(json_object_get(answer, "leases"), lease));
}

static void test_restart_keeps_leases(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, start_and_step));
    engine_reopen(engine);
    g_autoptr(json_t) renewed = renew(engine, job);
    assert_true(json_get_integer(renewed, "lease_ms", 0) > 0);
    json_decref(send_events(engine, job, "[{\"seq\":3,\"kind\":\"step_end\",\"step\":\"look\",\"result\":\"ok\"}]"));
    assert_run(engine, id, "running", "");
}

static void test_clock_jump_takes_nothing(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    clock_set_fake(clock_now_ms() + INT64_C(86400000));
    json_decref(send_events(engine, job, start_and_step));
    assert_run(engine, id, "running", "");
}

static void test_delay(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    int64_t now_ms = clock_now_ms();
    clock_set_fake(now_ms);
    g_autofree char *events = g_strdup_printf(
        "[{\"seq\":1,\"kind\":\"delay\",\"step\":\"look\",\"until\":%" G_GINT64_FORMAT "}]", now_ms + 60000);
    json_decref(send_events(engine, job, events));
    assert_run(engine, id, "waiting", "");
    g_autoptr(json_t) gone = renew(engine, job);
    assert_true(json_is_null(gone)); /* a waiting run holds no lease */
    clock_set_fake(now_ms + 60000);
    engine_reopen(engine); /* the end of the wait is found after a restart, too */
    g_autoptr(json_t) next = take_job(engine);
    assert_int_equal(json_get_integer(next, "attempt", 0), 2);
    const json_t *look = json_array_get(json_object_get(next, "steps"), 0);
    assert_true(json_get_bool(look, "waited", false));
    assert_string_equal(json_get_string(look, "state", ""), "pending");
}

/* --- people ----------------------------------------------------------------------------------------------------------
 */

static void test_cancel(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *queued = start_run(engine, "disk");
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", queued)));
    assert_run(engine, queued, "cancelled", "person");
    call_refused(engine, run_cancel, json_pack("{s:s}", "id", queued), ERROR_CONFLICT);
    call_refused(engine, run_cancel, json_pack("{s:s}", "id", "run_none"), ERROR_NOT_FOUND);

    g_autofree char *running = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", running)));
    assert_run(engine, running, "running", ""); /* until its runner has stopped it */
    g_autoptr(json_t) renewed = renew(engine, job);
    assert_string_equal(json_get_string(renewed, "cancel", ""), "person");
    g_autoptr(json_t) answer = send_events(engine, job, "[{\"seq\":1,\"kind\":\"run_start\"}]");
    assert_string_equal(json_get_string(answer, "cancel", ""), "person");
    json_decref(
        send_events(engine, job, "[{\"seq\":2,\"kind\":\"run_end\",\"state\":\"cancelled\",\"reason\":\"person\"}]"));
    assert_run(engine, running, "cancelled", "person");
}

/* Cancelled in the moment in which its runner gives it back to wait: it must not wait. */
static void test_cancel_beats_wait(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", id)));
    json_decref(
        send_events(engine, job, "[{\"seq\":1,\"kind\":\"delay\",\"step\":\"look\",\"until\":99999999999999}]"));
    assert_run(engine, id, "cancelled", "person");
}

static char *unknown_run(struct engine *engine)
{
    char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, "[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"clean\"}]"));
    engine_set_times(engine, 60000, 60000, 1);
    await_run(engine, id, "unknown");
    engine_set_times(engine, 60000, 60000, 60000);
    return id;
}

static json_t *resolve(const char *id, const char *step, const char *as)
{
    return json_pack("{s:s, s:{s:s, s:s, s:s}}", "id", id, "body", "step", step, "as", as, "reason",
                     "looked at the host");
}

static void test_resolve(void **state)
{
    static const struct {
        const char *as, *state, *result;
    } rows[] = {{"ok", "done", "ok"}, {"failed", "done", "failed"}, {"rerun", "pending", NULL}};
    struct engine *engine = *state;
    two_steps(engine, "disk");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *id = unknown_run(engine);
        call_refused(engine, run_resolve, resolve(id, "clean", "maybe"), ERROR_INVALID);
        call_refused(engine, run_resolve, resolve(id, "look", "ok"), ERROR_CONFLICT);
        call_refused(engine, run_resolve,
                     json_pack("{s:s, s:{s:s, s:s}}", "id", id, "body", "step", "clean", "as", "ok"), ERROR_INVALID);
        json_decref(call_ok(engine, run_resolve, resolve(id, "clean", rows[i].as)));
        assert_run(engine, id, "queued", "");
        call_refused(engine, run_resolve, resolve(id, "clean", rows[i].as), ERROR_CONFLICT);
        g_autoptr(json_t) job = take_job(engine);
        const json_t *clean = json_array_get(json_object_get(job, "steps"), 1);
        assert_string_equal(json_get_string(clean, "state", ""), rows[i].state);
        assert_string_equal(json_get_string(clean, "result", ""), rows[i].result ? rows[i].result : "");
        json_decref(send_events(engine, job, "[{\"seq\":1,\"kind\":\"run_end\",\"state\":\"succeeded\"}]"));
    }
}

/* Who resolves a cancelled run that got lost wants it to go on: no later lease hears of the old cancel. */
static void test_resolve_forgets_cancel(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, "[{\"seq\":1,\"kind\":\"step_start\",\"step\":\"clean\"}]"));
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", id)));
    engine_set_times(engine, 60000, 60000, 1);
    await_run(engine, id, "unknown");
    engine_set_times(engine, 60000, 60000, 60000);
    json_decref(call_ok(engine, run_resolve, resolve(id, "clean", "ok")));
    g_autoptr(json_t) again = take_job(engine);
    engine_reopen(engine); /* leases are read anew, cancels included */
    g_autoptr(json_t) renewed = renew(engine, again);
    assert_true(json_is_null(json_object_get(renewed, "cancel")));
    assert_true(json_is_object(renewed));
    json_decref(
        send_events(engine, again, "[{\"seq\":1,\"kind\":\"delay\",\"step\":\"look\",\"until\":99999999999999}]"));
    assert_run(engine, id, "waiting", "");
}

static void test_idempotency_key(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    two_steps(engine, "cpu");
    json_t *request =
        json_pack("{s:s, s:{s:s, s:{s:i}}}", "idempotency_key", "k1", "body", "runbook", "disk", "params", "n", 1);
    g_autoptr(json_t) other = json_deep_copy(request), different = json_deep_copy(request);
    g_autoptr(json_t) first = call_ok(engine, run_start_request, request);
    g_autoptr(json_t) second = call_ok(engine, run_start_request, json_incref(other));
    assert_string_equal(json_get_string(first, "id", "1"), json_get_string(second, "id", "2"));
    json_object_set_new(json_object_get(different, "body"), "runbook", json_string("cpu"));
    call_refused(engine, run_start_request, json_incref(different), ERROR_CONFLICT);
    call_refused(engine, run_start_request, json_pack("{s:{s:s}}", "body", "runbook", "nope"), ERROR_NOT_FOUND);
    call_refused(engine, run_start_request, json_pack("{s:{s:s, s:i}}", "body", "runbook", "disk", "params", 3),
                 ERROR_INVALID);
}

static void test_rerun(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    call_refused(engine, run_rerun, json_pack("{s:s}", "id", id), ERROR_CONFLICT);
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", id)));
    g_autoptr(json_t) again = call_ok(engine, run_rerun, json_pack("{s:s}", "id", id));
    assert_string_equal(json_get_string(again, "rerun_of", ""), id);
    assert_string_equal(json_get_string(again, "state", ""), "queued");
}

/* The runbook changes while its run waits: the run keeps what it started with. */
static void test_pinned(void **state)
{
    struct engine *engine = *state;
    struct runbook *runbook = two_steps(engine, "disk");
    g_autofree char *id = start_run(engine, "disk");
    struct step *step = runbook->steps->pdata[0];
    g_free(step->text);
    step->text = g_strdup("something else");
    g_free(runbook->commit);
    runbook->commit = g_strdup("decade");
    g_autoptr(json_t) job = take_job(engine);
    assert_string_equal(json_get_string(json_array_get(json_object_get(job, "steps"), 0), "text", ""), "return 1\n");
    assert_string_equal(json_path_string(job, "runbook.commit"), "c0ffee");
}

/* --- guards ----------------------------------------------------------------------------------------------------------
 */

static char *start_with(struct engine *engine, const char *runbook, const char *host, const char *reason)
{
    json_t *request =
        json_pack("{s:{s:s, s:{s:s}, s:s*}}", "body", "runbook", runbook, "params", "host", host, "reason", reason);
    g_autoptr(json_t) run = call_ok(engine, run_start_request, request);
    return g_strdup(json_get_string(run, "id", NULL));
}

static void test_concurrency_drop(void **state)
{
    struct engine *engine = *state;
    limited(engine, "disk", "limits: {concurrency: 1, per: [params.host], overflow: drop}\n");
    g_autofree char *first = start_with(engine, "disk", "db-1", NULL),
                    *second = start_with(engine, "disk", "db-1", NULL),
                    *elsewhere = start_with(engine, "disk", "web-1", NULL);
    assert_run(engine, first, "queued", "");
    assert_run(engine, second, "suppressed", "concurrency");
    assert_run(engine, elsewhere, "queued", "");
}

static void test_concurrency_queue(void **state)
{
    struct engine *engine = *state;
    limited(engine, "disk", "limits: {concurrency: 1}\n");
    engine_set_times(engine, 10, 5000, 30000);
    g_autofree char *first = start_with(engine, "disk", "db-1", NULL),
                    *second = start_with(engine, "disk", "db-1", NULL);
    g_autoptr(json_t) job = take_job(engine);
    assert_string_equal(json_get_string(job, "run", ""), first);
    assert_null(poll_job(engine)); /* the second waits its turn */
    json_decref(send_events(engine, job, "[{\"seq\":1,\"kind\":\"run_end\",\"state\":\"succeeded\"}]"));
    g_autoptr(json_t) next = take_job(engine);
    assert_string_equal(json_get_string(next, "run", ""), second);
}

static const char succeeded[] = "[{\"seq\":1,\"kind\":\"run_end\",\"state\":\"succeeded\"}]";

/* An unknown run has ended: the next one of its guard may run. When people then say that it goes on, it waits for that
 * one, and comes before those that have not begun. */
static void test_concurrency_after_unknown(void **state)
{
    struct engine *engine = *state;
    limited(engine, "disk", "limits: {concurrency: 1}\n");
    g_autofree char *lost = unknown_run(engine);
    engine_set_times(engine, 10, 5000, 30000);
    g_autofree char *second = start_with(engine, "disk", "db-1", NULL);
    g_autoptr(json_t) job = take_job(engine);
    assert_string_equal(json_get_string(job, "run", ""), second);
    g_autofree char *third = start_with(engine, "disk", "db-1", NULL);
    json_decref(call_ok(engine, run_resolve, resolve(lost, "clean", "rerun")));
    assert_run(engine, lost, "queued", "");
    assert_null(poll_job(engine)); /* the place is taken */
    json_decref(send_events(engine, job, succeeded));
    g_autoptr(json_t) again = take_job(engine);
    assert_string_equal(json_get_string(again, "run", ""), lost);
    assert_null(poll_job(engine));
    /* a run that is parked and comes back has kept its place */
    json_decref(send_events(engine, again, "[{\"seq\":1,\"kind\":\"delay\",\"step\":\"look\",\"until\":1}]"));
    await_run(engine, lost, "queued");
    g_autoptr(json_t) last = take_job(engine);
    assert_string_equal(json_get_string(last, "run", ""), lost);
    json_decref(send_events(engine, last, succeeded));
    g_autoptr(json_t) rest = take_job(engine);
    assert_string_equal(json_get_string(rest, "run", ""), third);
}

/* One lock for two runbooks: whoever has begun holds it, also while it waits; an unknown run has given it back. */
static void test_lock(void **state)
{
    struct engine *engine = *state;
    limited(engine, "disk", "limits: {lock: storage}\n");
    limited(engine, "memory", "limits: {lock: storage}\n");
    limited(engine, "hasty", "limits: {lock: storage, overflow: drop}\n");
    limited(engine, "other", "limits: {lock: network}\n");
    engine_set_times(engine, 10, 5000, 30000);
    g_autofree char *first = start_with(engine, "disk", "db-1", NULL);
    g_autoptr(json_t) job = take_job(engine);
    g_autofree char *second = start_with(engine, "memory", "db-1", NULL),
                    *dropped = start_with(engine, "hasty", "db-1", NULL);
    assert_null(poll_job(engine));
    assert_run(engine, dropped, "suppressed", "concurrency");
    g_autofree char *elsewhere = start_with(engine, "other", "db-1", NULL);
    g_autoptr(json_t) beside = take_job(engine);
    assert_string_equal(json_get_string(beside, "run", ""), elsewhere);
    json_decref(send_events(engine, job, "[{\"seq\":1,\"kind\":\"delay\",\"step\":\"look\",\"until\":1}]"));
    await_run(engine, first, "queued");
    g_autoptr(json_t) again = take_job(engine);
    assert_string_equal(json_get_string(again, "run", ""), first);
    json_decref(send_events(engine, again, succeeded));
    g_autoptr(json_t) next = take_job(engine);
    assert_string_equal(json_get_string(next, "run", ""), second);
}

/* The running one is told to stop, and the new one begins when that is proved; one that has not begun goes at once. */
static void test_overflow_replace(void **state)
{
    struct engine *engine = *state;
    limited(engine, "disk", "limits: {concurrency: 1, per: [params.host], overflow: replace}\n");
    engine_set_times(engine, 10, 5000, 30000);
    g_autofree char *first = start_with(engine, "disk", "db-1", NULL);
    g_autoptr(json_t) job = take_job(engine);
    g_autofree char *elsewhere = start_with(engine, "disk", "web-1", NULL);
    g_autoptr(json_t) beside = take_job(engine);
    g_autofree char *second = start_with(engine, "disk", "db-1", NULL);
    g_autofree char *third = start_with(engine, "disk", "db-1", NULL);
    assert_run(engine, elsewhere, "running", "");
    assert_run(engine, first, "running", "");
    assert_run(engine, second, "cancelled", "concurrency");
    assert_null(poll_job(engine));
    g_autoptr(json_t) answer = send_events(engine, job, "[{\"seq\":1,\"kind\":\"run_start\"}]");
    assert_string_equal(json_get_string(answer, "cancel", ""), "concurrency");
    json_decref(send_events(engine, job,
                            "[{\"seq\":2,\"kind\":\"run_end\",\"state\":\"cancelled\",\"reason\":\"concurrency\"}]"));
    assert_run(engine, first, "cancelled", "concurrency");
    g_autoptr(json_t) next = take_job(engine);
    assert_string_equal(json_get_string(next, "run", ""), third);
}

static void test_cooldown(void **state)
{
    struct engine *engine = *state;
    limited(engine, "disk", "limits: {cooldown: 1m}\n");
    int64_t now_ms = clock_now_ms();
    clock_set_fake(now_ms);
    g_autofree char *first = start_with(engine, "disk", "db-1", NULL);
    clock_set_fake(now_ms + 59999);
    g_autofree char *early = start_with(engine, "disk", "db-1", NULL);
    g_autofree char *urgent = start_with(engine, "disk", "db-1", "it is really full");
    assert_run(engine, first, "queued", "");
    assert_run(engine, early, "suppressed", "cooldown");
    assert_run(engine, urgent, "queued", "");
}

static void test_max_runs(void **state)
{
    struct engine *engine = *state;
    limited(engine, "disk", "limits: {max_runs: 2/1m}\n");
    for (int i = 0; i < 3; i++) {
        g_autofree char *id = start_with(engine, "disk", "db-1", NULL);
        assert_run(engine, id, i < 2 ? "queued" : "suppressed", i < 2 ? "" : "window");
    }
}

static void test_breaker(void **state)
{
    struct engine *engine = *state;
    limited(engine, "disk", "limits: {breaker: 2}\n");
    for (int i = 0; i < 2; i++) {
        g_autofree char *id = start_run(engine, "disk");
        g_autoptr(json_t) job = take_job(engine);
        json_decref(send_events(engine, job,
                                "[{\"seq\":1,\"kind\":\"run_end\",\"state\":\"failed\",\"reason\":\"not_verified\"}]"));
    }
    g_autofree char *refused = start_run(engine, "disk");
    assert_run(engine, refused, "suppressed", "breaker");
    g_autofree char *forced = start_with(engine, "disk", "db-1", "the disk was replaced");
    assert_run(engine, forced, "queued", "");
}

/* --- the feed --------------------------------------------------------------------------------------------------------
 */

static void count_event(void *arg, const json_t *event)
{
    (void)event;
    ++*(int *)arg;
}

static void test_feed(void **state)
{
    struct engine *engine = *state;
    two_steps(engine, "disk");
    g_autofree char *quiet = start_run(engine, "disk"); /* before anybody listens */
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", quiet)));
    int all = 0, one = 0;
    g_autofree char *id = start_run(engine, "disk"), *topic = g_strdup_printf("run:%s", id);
    g_autoptr(json_t) settled = get_run(engine, id);
    struct feed_subscription *everything = feed_subscribe(engine->jobs.feed, "all", count_event, &all);
    struct feed_subscription *run = feed_subscribe(engine->jobs.feed, topic, count_event, &one);
    g_autoptr(json_t) job = take_job(engine);
    json_decref(send_events(engine, job, start_and_step));
    while (one < 3)
        loop_step(engine->jobs.loop);
    assert_true(all >= 2); /* running, step_start; not run_start */
    feed_unsubscribe(everything);
    feed_unsubscribe(run);
    assert_true(feed_idle(engine->jobs.feed));
}

#define engine_test(f) cmocka_unit_test_setup_teardown(f, engine_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_whole_run),
        engine_test(test_late_end_of_a_command),
        engine_test(test_log),
        engine_test(test_log_pages_are_bounded),
        engine_test(test_events_once),
        engine_test(test_end_acknowledged_twice),
        engine_test(test_bad_events),
        engine_test(test_poll_waits),
        engine_test(test_poll_ends),
        engine_test(test_one_run_one_worker),
        engine_test(test_lost_runner),
        engine_test(test_impossible),
        engine_test(test_unconfirmed_goes_back),
        engine_test(test_delay),
        engine_test(test_restart_keeps_leases),
        engine_test(test_cancel),
        engine_test(test_clock_jump_takes_nothing),
        engine_test(test_resolve),
        engine_test(test_resolve_forgets_cancel),
        engine_test(test_cancel_beats_wait),
        engine_test(test_rerun),
        engine_test(test_idempotency_key),
        engine_test(test_pinned),
        engine_test(test_concurrency_drop),
        engine_test(test_cooldown),
        engine_test(test_concurrency_queue),
        engine_test(test_lock),
        engine_test(test_overflow_replace),
        engine_test(test_concurrency_after_unknown),
        engine_test(test_max_runs),
        engine_test(test_breaker),
        engine_test(test_feed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
