/* plan: which step comes next and how the run ends, by the results of its steps. Each row plays a run to its end. */
#include "core/json.h"
#include "runner/plan.h"

#include "tests/unit/support.h"

/* Steps are "id:result:flags": result is what the step ends with when it is run; flags are c (on_error continue), a
 * (always), v (verify), h (handler), w (waits for people), >id (on_error: id). `order` is what ran; `rest` what did
 * not, with its result. */
static const struct row {
    const char *why;
    const char *steps;
    const char *order, *rest;
    const char *state, *reason, *verified;
} rows[] = {
    {"every step ok", "a:ok b:ok", "a b", "", "succeeded", NULL, "null"},
    {"no step at all", "", "", "", "succeeded", NULL, "null"},
    {"a failure stops", "a:failed b:ok", "a", "b=not_reached", "failed", "step_failed", "null"},
    {"a time-out stops with its own reason", "a:timed_out b:ok", "a", "b=not_reached", "failed", "timed_out", "null"},
    {"continue goes on and the run succeeds", "a:failed:c b:ok", "a b", "", "succeeded", NULL, "null"},
    {"always runs after a failure", "a:failed b:ok z:ok:a", "a z", "b=not_reached", "failed", "step_failed", "null"},
    {"always runs in its turn when all is well", "a:ok z:ok:a b:ok", "a z b", "", "succeeded", NULL, "null"},
    {"a failed always step after a failure changes nothing", "a:failed y:failed:a z:ok:a", "a y z", "", "failed",
     "step_failed", "null"},
    {"a handler runs only when called", "a:ok h:ok:h", "a", "h=skipped", "succeeded", NULL, "null"},
    {"a handler is called, then only always steps", "a:failed:>h b:ok h:ok:h z:ok:a", "a h z", "b=not_reached",
     "failed", "step_failed", "null"},
    {"another handler is not called", "a:failed:>h g:ok:h h:ok:h", "a h", "g=skipped", "failed", "step_failed", "null"},
    {"a handler that fails ends the run as the step did", "a:failed:>h h:failed:h", "a h", "", "failed", "step_failed",
     "null"},
    {"verified", "a:ok v:ok:v", "a v", "", "succeeded", NULL, "true"},
    {"a failed verify step: not verified", "a:ok v:failed:v", "a v", "", "failed", "not_verified", "false"},
    {"not even with continue", "v:failed:vc b:ok", "v b", "", "failed", "not_verified", "false"},
    {"one bad verify step outweighs a good one", "v:ok:v w:failed:vc", "v w", "", "failed", "not_verified", "false"},
    {"a skipped verify step verifies nothing", "a:ok v:skipped:v", "a v", "", "succeeded", NULL, "null"},
    {"verify not reached", "a:failed v:ok:v", "a", "v=not_reached", "failed", "step_failed", "null"},
    {"unknown stops, whatever on_error says; all else may still run", "a:unknown:c b:ok z:ok:a", "a", "", "unknown",
     "step_failed", "null"},
    {"unknown calls no handler", "a:unknown:>h h:ok:h", "a", "", "unknown", "step_failed", "null"},
    {"unknown while cleaning up", "a:failed y:unknown:a z:ok:a", "a y", "", "unknown", "step_failed", "null"},
    {"denied, then the always steps", "a:denied b:ok z:ok:a", "a z", "b=not_reached", "denied", "denied", "null"},
    {"expired", "a:expired b:ok", "a", "b=not_reached", "expired", "expired", "null"},
    {"a skipped step", "a:skipped b:ok", "a b", "", "succeeded", NULL, "null"},
};

static json_t *step_parse(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 3);
    const char *flags = parts[1] && parts[2] ? parts[2] : "";
    const char *handler = strchr(flags, '>');
    json_t *step = json_pack("{s:s, s:s}", "id", parts[0], "will", parts[1]);

    json_object_set_new(step, "always", json_boolean(!handler && strchr(flags, 'a')));
    json_object_set_new(step, "verify", json_boolean(!handler && strchr(flags, 'v')));
    json_object_set_new(step, "handler", json_boolean(!handler && strchr(flags, 'h')));
    json_set_string(step, "approve", !handler && strchr(flags, 'w') ? "people" : NULL);
    json_set_string(step, "on_error", handler ? handler + 1 : strchr(flags, 'c') ? "continue" : "stop");
    return step;
}

static json_t *job_parse(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    json_t *steps = json_array();

    for (size_t i = 0; words[i] && *words[i]; i++)
        json_array_append_new(steps, step_parse(words[i]));
    return json_pack("{s:o}", "steps", steps);
}

static void append(GString *to, const char *id, const char *result)
{
    g_string_append_printf(to, "%s%s%s%s", to->len ? " " : "", id, result ? "=" : "", result ? result : "");
}

static void sweep(struct plan *plan, enum plan_stop stop, GString *rest)
{
    enum step_result result;
    ssize_t index;

    while ((index = plan_leftover(plan, stop, &result)) >= 0) {
        plan->results[index] = result;
        append(rest, json_get_string(plan_step(plan, (size_t)index), "id", ""), step_result_name(result));
    }
}

static void play(struct plan *plan, enum plan_stop stop, GString *order, GString *rest)
{
    ssize_t next;

    for (sweep(plan, stop, rest); (next = plan_next(plan, stop)) >= 0; sweep(plan, stop, rest)) {
        const json_t *step = plan_step(plan, (size_t)next);
        plan->results[next] = step_result_from_name(json_get_string(step, "will", ""));
        append(order, json_get_string(step, "id", ""), NULL);
    }
}

static void plays_to_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct row *row = &rows[i];
        g_autoptr(json_t) job = job_parse(row->steps);
        g_autoptr(GString) order = g_string_new(NULL), rest = g_string_new(NULL);
        struct plan plan;

        plan_init(&plan, job);
        play(&plan, PLAN_GOING, order, rest);
        struct plan_end end = plan_conclude(&plan, PLAN_GOING, NULL);
        g_autofree char *verified = json_dumps(end.verified, JSON_ENCODE_ANY);
        g_autofree char *got = g_strdup_printf("%s: [%s] [%s] %s %s %s", row->why, order->str, rest->str, end.state,
                                               end.reason ? end.reason : "-", verified);
        g_autofree char *expected = g_strdup_printf("%s: [%s] [%s] %s %s %s", row->why, row->order, row->rest,
                                                    row->state, row->reason ? row->reason : "-", row->verified);
        assert_string_equal(got, expected);
        plan_clear(&plan);
    }
}

/* Steps whose result stands already, then a stop. */
static const struct stop_row {
    const char *why;
    const char *steps; /* the first `done` of them have ended as they say */
    size_t done;
    enum plan_stop stop;
    const char *order, *rest;
    const char *state, *reason;
} stop_rows[] = {
    {"cancelled between steps", "a:ok b:ok", 1, PLAN_CANCELLED, "", "b=not_reached", "cancelled", "stopped"},
    {"cancelled: always steps run", "a:cancelled b:ok z:ok:a", 1, PLAN_CANCELLED, "z", "b=not_reached", "cancelled",
     "stopped"},
    {"cancelled: an always step that asks people does not", "a:cancelled z:ok:aw", 1, PLAN_CANCELLED, "",
     "z=not_reached", "cancelled", "stopped"},
    {"cancelled after the last step: nothing changed", "a:ok b:ok", 2, PLAN_CANCELLED, "", "", "succeeded", NULL},
    {"cancelled while cleaning up after a failure: still failed", "a:failed b:ok z:ok:a", 1, PLAN_CANCELLED, "z",
     "b=not_reached", "failed", "step_failed"},
    {"cancelled: no handler is called", "a:failed:>h h:ok:h", 1, PLAN_CANCELLED, "", "h=skipped", "failed",
     "step_failed"},
    {"cancelled, but a step is unknown: unknown is said", "a:unknown b:ok", 1, PLAN_CANCELLED, "", "", "unknown",
     "step_failed"},
    {"time-out between steps", "a:ok b:ok", 1, PLAN_TIMED_OUT, "", "b=not_reached", "failed", "timed_out"},
    {"time-out in a step that says continue", "a:timed_out:c b:ok", 1, PLAN_TIMED_OUT, "", "b=not_reached", "failed",
     "timed_out"},
    {"time-out in a verify step is a time-out", "a:timed_out:v", 1, PLAN_TIMED_OUT, "", "", "failed", "timed_out"},
};

static void stops(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(stop_rows); i++) {
        const struct stop_row *row = &stop_rows[i];
        g_autoptr(json_t) job = job_parse(row->steps);
        g_autoptr(GString) order = g_string_new(NULL), rest = g_string_new(NULL);
        struct plan plan;

        plan_init(&plan, job);
        for (size_t n = 0; n < row->done; n++)
            plan.results[n] = step_result_from_name(json_get_string(plan_step(&plan, n), "will", ""));
        play(&plan, row->stop, order, rest);
        struct plan_end end = plan_conclude(&plan, row->stop, "stopped");
        g_autofree char *got = g_strdup_printf("%s: [%s] [%s] %s %s", row->why, order->str, rest->str, end.state,
                                               end.reason ? end.reason : "-");
        g_autofree char *expected = g_strdup_printf("%s: [%s] [%s] %s %s", row->why, row->order, row->rest, row->state,
                                                    row->reason ? row->reason : "-");
        assert_string_equal(got, expected);
        plan_clear(&plan);
    }
}

static void takes_results_from_the_job(void **state)
{
    g_autoptr(json_t) job = json_pack("{s:[{s:s,s:s,s:s},{s:s,s:s},{s:s}]}", "steps", "id", "a", "state", "done",
                                      "result", "ok", "id", "b", "state", "waiting", "id", "c");
    struct plan plan;

    (void)state;
    plan_init(&plan, job);
    assert_int_equal(plan_next(&plan, PLAN_GOING), 1);
    assert_int_equal(plan_next(&plan, PLAN_FENCED), -1);
    plan_clear(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plays_to_the_end),
        cmocka_unit_test(stops),
        cmocka_unit_test(takes_results_from_the_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
