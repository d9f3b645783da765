/* test_case: see test_case.h. Between attempts the case decides what a person would, and waits in virtual time. */
#include "cli/test_case.h"
#include "cli/local_job.h"
#include "cli/run_record.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/loop.h"
#include "core/text_diff.h"
#include "core/yaml_write.h"
#include "jobs/approval_inputs.h"
#include "runner/exec.h"
#include "runner/replay.h"
#include <string.h>

/* 2026-01-01T00:00:00Z: a case without `now` is the same every day. */
#define DEFAULT_NOW_MS INT64_C(1767225600000)
#define RUN_ID         "run_test"

struct test_case {
    const struct test_case_options *options;
    struct loop *loop;
    struct replay *replay;
    struct world world;
    struct run_record *record;
    struct exec *exec; /* NULL between attempts */
    json_t *job;       /* of the attempt under way */
    json_t *problems;
    json_t *branches;        /* as exec_options has it */
    json_t *secrets;         /* {NAME: value}; empty when the case has none */
    json_t *asked;           /* steps that asked for an approval */
    struct loop_timer *turn; /* what comes after an attempt */
};

static void problem(struct test_case *test, const char *text)
{
    json_array_append_new(test->problems, json_text_value(text, strlen(text)));
}

/* The first thing that the case does not know ends the run: what follows would only be noise. */
static void on_problem(void *arg, const char *text)
{
    struct test_case *test = arg;
    if (json_array_size(test->problems) == 0)
        problem(test, text);
    if (test->exec != NULL)
        exec_cancel(test->exec, "person");
}

/* ---- approvals ---- */

static const json_t *spec_of(const struct test_case *test, const char *key)
{
    return json_object_get(test->options->spec, key);
}

/* What people would see, against what the case says that they see. */
static void compare_shown(struct test_case *test, const char *step, const char *what, const json_t *wanted,
                          const json_t *got)
{
    if (wanted == NULL || json_equal(wanted, got))
        return;
    g_autofree char *before = yaml_write(wanted), *after = yaml_write(got), *diff = text_diff(before, after);
    g_autofree char *text =
        g_strdup_printf("the approval of '%s' has other %s (- the case, + the step)\n%s", step, what, diff);
    problem(test, text);
}

static void start_attempt(struct test_case *test, json_t *job);

/* What the case fills in, as people could: checked against what the step asks for. NULL: told as a problem. */
static json_t *inputs_of(struct test_case *test, const char *step, const json_t *approval, bool approved)
{
    const json_t *given = json_object_get(approval, "inputs"),
                 *asks = approved ? json_object_get(run_record_waiting(test->record), "asks") : NULL;
    const struct catalog_set *set = test->options->set;
    g_autoptr(GError) error = NULL;
    json_t *inputs = approval_inputs_bind(asks, given, set != NULL ? set->inventory : NULL, &error);
    if (inputs == NULL) {
        g_autofree char *text = g_strdup_printf("the approval of '%s': %s", step, error->message);
        problem(test, text);
    }
    return inputs;
}

/* False: the case cannot say that, and the run ends here. */
static bool decide(struct test_case *test, const char *step, const json_t *approval)
{
    static const char *const results[][2] = {{"approve", "approved"}, {"deny", "denied"}, {"expire", "expired"}};
    const json_t *event = run_record_waiting(test->record);
    const char *verdict = json_get_string(approval, "decision", "deny");
    struct run_decision decision = {.result = "denied", .by = json_get_string(approval, "by", "tester"), .via = "test"};
    for (size_t i = 0; i < G_N_ELEMENTS(results); i++)
        if (strcmp(results[i][0], verdict) == 0)
            decision.result = results[i][1];
    compare_shown(test, step, "hosts", json_object_get(approval, "hosts"), json_object_get(event, "hosts"));
    compare_shown(test, step, "values", json_object_get(approval, "shows"), json_object_get(event, "shows"));
    g_autoptr(json_t) inputs = inputs_of(test, step, approval, strcmp(verdict, "approve") == 0);
    if (inputs == NULL)
        return false;
    decision.inputs = inputs;
    run_record_decide(test->record, &decision);
    start_attempt(test, run_record_next_job(test->record));
    return true;
}

/* True: decided, and the run goes on. */
static bool answer_request(struct test_case *test)
{
    const char *step = json_get_string(run_record_waiting(test->record), "step", "");
    const json_t *approval = json_object_get(spec_of(test, "approvals"), step);
    json_object_set_new(test->asked, step, json_true());
    if (approval != NULL)
        return decide(test, step, approval);
    if (g_strcmp0(json_path_string(test->options->spec, "expect.state"), "waiting") != 0) {
        g_autofree char *text = g_strdup_printf(
            "step '%s' asks for an approval, and the case has none: add approvals: {%s: approve}", step, step);
        problem(test, text);
    }
    return false;
}

static void tell_unasked(struct test_case *test)
{
    const char *step;
    json_t *approval;
    json_object_foreach ((json_t *)spec_of(test, "approvals"), step, approval) {
        if (json_object_get(test->asked, step) != NULL)
            continue;
        g_autofree char *text = g_strdup_printf("step '%s' never asked for the approval that the case has", step);
        problem(test, text);
    }
}

/* ---- attempts ---- */

static void on_event(void *arg, json_t *event)
{
    struct test_case *test = arg;
    run_record_event(test->record, event);
    exec_acknowledge(test->exec, json_get_integer(event, "seq", 0));
}

static void on_finished(void *arg)
{
    struct test_case *test = arg;
    loop_timer_start(test->turn, 0, 0);
}

static void start_attempt(struct test_case *test, json_t *job)
{
    g_autoptr(GError) error = NULL;
    json_decref(test->job);
    test->job = job;
    const struct exec_options options = {.loop = test->loop,
                                         .world = &test->world,
                                         .secrets = test->secrets,
                                         .branches = test->branches,
                                         .job = job,
                                         .emit = on_event,
                                         .finished = on_finished,
                                         .arg = test};
    test->exec = exec_new(&options, &error);
    if (test->exec != NULL) {
        exec_start(test->exec);
        return;
    }
    problem(test, error->message);
    loop_stop(test->loop);
}

static void on_turn(void *arg)
{
    struct test_case *test = arg;
    if (test->exec == NULL) { /* a wait is over */
        run_record_waited(test->record);
        start_attempt(test, run_record_next_job(test->record));
        return;
    }
    g_clear_pointer(&test->exec, exec_free);
    const json_t *waiting = run_record_waiting(test->record);
    bool goes_on = waiting != NULL && json_array_size(test->problems) == 0;
    if (goes_on && strcmp(json_get_string(waiting, "kind", ""), "delay") == 0)
        loop_timer_start(test->turn, (uint64_t)MAX(0, json_get_integer(waiting, "until", 0) - clock_now_ms()), 0);
    else if (!goes_on || !answer_request(test))
        loop_stop(test->loop);
}

/* ---- one case ---- */

static void run_job(struct test_case *test, json_t *job)
{
    int64_t now_ms = json_get_integer(test->options->spec, "now_ms", DEFAULT_NOW_MS);
    test->loop = loop_new_virtual(now_ms);
    const struct replay_options replay = {.loop = test->loop,
                                          .hosts = spec_of(test, "hosts"),
                                          .any_order =
                                              strcmp(json_get_string(test->options->spec, "order", ""), "any") == 0,
                                          .problem = on_problem,
                                          .arg = test};
    test->replay = replay_new(&replay);
    test->world = replay_world(test->replay);
    test->record = run_record_new(job);
    run_record_keep_contents(test->record);
    test->turn = loop_timer_new(test->loop, on_turn, test);
    start_attempt(test, json_incref(job));
    loop_run(test->loop);
    exec_free(test->exec);
    if (json_array_size(test->problems) == 0) {
        test_expect(spec_of(test, "expect"), run_record_run(test->record), test->problems);
        replay_finish(test->replay);
        tell_unasked(test);
    }
}

static json_t *results_of_steps(const json_t *run)
{
    json_t *results = json_object(), *step;
    size_t i;
    json_array_foreach (json_object_get(run, "steps"), i, step) {
        json_t *result = json_object_get(step, "result");
        json_object_set(results, json_get_string(step, "id", ""), result);
    }
    return results;
}

static json_t *job_of(const struct test_case_options *options, GError **error)
{
    g_autoptr(json_t) none = json_object();
    json_t *params = json_object_get(options->spec, "params");
    const struct local_start start = {.runbook = options->runbook,
                                      .set = options->set,
                                      .params = params != NULL ? params : none,
                                      .alert = json_object_get(options->spec, "alert"),
                                      .incident = json_object_get(options->spec, "incident"),
                                      .id = RUN_ID,
                                      .by = "tester"};
    return local_job_new(&start, error);
}

json_t *test_case_run(const struct test_case_options *options)
{
    struct test_case test = {.options = options,
                             .problems = json_array(),
                             .asked = json_object(),
                             .branches = json_object(),
                             .secrets = json_object()};
    json_object_update(test.secrets, json_object_get(options->spec, "secrets"));
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) job = job_of(options, &error);
    json_t *result = json_object();
    if (job != NULL)
        run_job(&test, job);
    else
        problem(&test, error->message);
    json_object_set(result, "name", json_object_get(options->spec, "name"));
    json_object_set(result, "line", json_object_get(options->spec, "line"));
    json_set_string(result, "result", json_array_size(test.problems) == 0 ? "passed" : "failed");
    json_object_set_new(result, "problems", test.problems);
    if (test.record != NULL) {
        json_object_set(result, "state", json_object_get(run_record_run(test.record), "state"));
        json_object_set_new(result, "steps", results_of_steps(run_record_run(test.record)));
        test_coverage_add_case(options->coverage, run_record_run(test.record), test.branches);
    }
    replay_free(test.replay);
    run_record_free(test.record);
    loop_timer_free(test.turn);
    loop_free(test.loop);
    json_decref(test.job);
    json_decref(test.asked);
    json_decref(test.secrets);
    json_decref(test.branches);
    return result;
}
