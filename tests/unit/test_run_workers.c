/* Workers of this machine that die: their polls take no run, their leases end at once, by the same rules as in time.
 * Every time-out is an hour here: what ends, ends because the process did. */
#include "engine_support.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOUR_MS = 3600 * 1000 };

static const char write_step_runs[] =
    "[{\"seq\":1,\"kind\":\"run_start\"},{\"seq\":2,\"kind\":\"step_start\",\"step\":\"clean\",\"try\":1}]";
static const char read_step_runs[] =
    "[{\"seq\":1,\"kind\":\"run_start\"},{\"seq\":2,\"kind\":\"step_start\",\"step\":\"look\",\"try\":1}]";
static const char write_step_ended[] =
    "[{\"seq\":1,\"kind\":\"run_start\"},{\"seq\":2,\"kind\":\"step_start\",\"step\":\"clean\",\"try\":1},"
    "{\"seq\":3,\"kind\":\"step_end\",\"step\":\"clean\",\"result\":\"ok\"}]";

static char *setup_run(struct engine *engine)
{
    engine_set_times(engine, HOUR_MS, HOUR_MS, HOUR_MS);
    engine_add_runbook(
        engine, "disk", "",
        "## Look\n```lua {step=look effect=read}\nreturn 1\n```\n## Clean\n```lua {step=clean}\nreturn 2\n```\n");
    return start_run(engine, "disk");
}

/* A process that stands for a worker's: when this returns it has nothing of ours (the store's lock, the test's output).
 */
static pid_t worker_process(void)
{
    int ends[2];
    char none;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close_range(0, ~0U, 0);
    }
    while (pid == 0)
        pause();
    close(ends[1]);
    assert_int_equal(read(ends[0], &none, 1), 0); /* its end of the pipe is closed, too */
    close(ends[0]);
    return pid;
}

static void kill_worker(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static json_t *poll_request(const char *worker, pid_t pid)
{
    return json_pack("{s:I, s:{s:s, s:s}}", "peer_pid", (json_int_t)pid, "body", "runner", "local", "worker", worker);
}

/* A poll that waits. */
static void begin_poll(struct engine *engine, const char *worker, pid_t pid, struct answer *answer)
{
    g_autoptr(json_t) request = poll_request(worker, pid);
    run_lease(&engine->jobs, request, &operator_actor, take_answer, answer);
}

static void await_answer(struct engine *engine, const struct answer *answer)
{
    while (!answer->done)
        loop_step(engine->jobs.loop);
}

static json_t *take_job_as(struct engine *engine, pid_t pid)
{
    json_t *job = call_ok(engine, run_lease, poll_request("w1", pid));
    assert_non_null(job);
    json_decref(call_ok(engine, run_confirm, of_job(job)));
    return job;
}

struct loss {
    const char *events;
    const char *state, *look, *clean, *why;
};
static const struct loss losses[] = {
    {"[]", "queued", "pending", "pending", "nothing had begun"},
    {read_step_runs, "queued", "pending", "pending", "a read step may run again"},
    {write_step_runs, "unknown", "pending", "done", "a write step may have run"},
    {write_step_ended, "queued", "pending", "done", "a step that ended stays ended"},
};

static void assert_lost(struct engine *engine, const char *id, const struct loss *row)
{
    await_run(engine, id, row->state);
    g_autoptr(json_t) run = get_run(engine, id);
    if (strcmp(json_get_string(step_at(run, 0), "state", ""), row->look) != 0 ||
        strcmp(json_get_string(step_at(run, 1), "state", ""), row->clean) != 0)
        fail_msg("%s", row->why);
    if (strcmp(row->state, "queued") == 0)
        json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", id)));
}

static void test_its_leases_end_with_it(void **state)
{
    struct engine *engine = *state;
    g_autofree char *first = setup_run(engine);
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", first)));
    for (size_t i = 0; i < G_N_ELEMENTS(losses); i++) {
        g_autofree char *id = start_run(engine, "disk");
        pid_t pid = worker_process();
        g_autoptr(json_t) job = take_job_as(engine, pid);
        json_decref(send_events(engine, job, losses[i].events));
        kill_worker(pid);
        assert_lost(engine, id, &losses[i]);
        call_refused(engine, run_events, events_request(job, "[{\"seq\":4,\"kind\":\"run_start\"}]"), ERROR_CONFLICT);
    }
}

/* It died while the server was down, or dies after. */
static void test_its_leases_end_after_a_restart(void **state)
{
    struct engine *engine = *state;
    g_autofree char *first = setup_run(engine);
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", first)));
    for (size_t i = 0; i < 2 * G_N_ELEMENTS(losses); i++) {
        const struct loss *row = &losses[i / 2];
        g_autofree char *id = start_run(engine, "disk");
        pid_t pid = worker_process();
        g_autoptr(json_t) job = take_job_as(engine, pid);
        json_decref(send_events(engine, job, row->events));
        if (i % 2 == 0)
            kill_worker(pid);
        engine_reopen(engine);
        engine_set_times(engine, HOUR_MS, HOUR_MS, HOUR_MS);
        if (i % 2 == 1) {
            assert_run(engine, id, "running", "");
            kill_worker(pid);
        }
        assert_lost(engine, id, row);
    }
}

static void test_a_job_that_it_never_confirmed_goes_back(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = setup_run(engine);
    pid_t pid = worker_process();
    g_autoptr(json_t) lost = call_ok(engine, run_lease, poll_request("w2", pid));
    assert_non_null(lost);
    kill_worker(pid);
    g_autoptr(json_t) job = take_job_as(engine, getpid());
    assert_string_equal(json_get_string(job, "run", ""), id);
    assert_int_equal(json_get_integer(job, "attempt", 0), 2);
    call_refused(engine, run_confirm, of_job(lost), ERROR_CONFLICT);
}

/* A lease is one worker's: whoever else dies, it lives. */
static void test_another_worker_keeps_its_lease(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = setup_run(engine);
    pid_t pid = worker_process();
    struct answer poll = {0};
    g_autoptr(json_t) job = take_job_as(engine, getpid());
    json_decref(send_events(engine, job, write_step_runs));
    begin_poll(engine, "w2", pid, &poll);
    kill_worker(pid);
    await_answer(engine, &poll); /* its death was seen */
    assert_null(poll.result);
    settle_writes(engine);
    assert_run(engine, id, "running", "");
    json_decref(send_events(engine, job, "[{\"seq\":3,\"kind\":\"step_end\",\"step\":\"clean\",\"result\":\"ok\"}]"));
    answer_clear(&poll);
}

/* A runner of another machine has no process here: silence is all that is known of it. */
static void test_a_worker_from_elsewhere_keeps_its_lease(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = setup_run(engine);
    g_autoptr(json_t) job = take_job_as(engine, 0);
    engine_reopen(engine);
    engine_set_times(engine, HOUR_MS, HOUR_MS, HOUR_MS);
    json_decref(send_events(engine, job, write_step_runs));
    assert_run(engine, id, "running", "");
}

/* --- polls -----------------------------------------------------------------------------------------------------------
 */

static void test_no_run_for_a_poll_that_was_cancelled(void **state)
{
    struct engine *engine = *state;
    engine_set_times(engine, HOUR_MS, HOUR_MS, HOUR_MS);
    struct answer first = {0}, second = {0};
    begin_poll(engine, "w2", 0, &first);
    settle_writes(engine); /* nothing was queued */
    run_lease_cancel(&engine->jobs, &first);
    assert_true(first.done);
    assert_null(first.result);
    run_lease_cancel(&engine->jobs, &first); /* over already */
    g_autofree char *id = setup_run(engine);
    begin_poll(engine, "w1", 0, &second);
    await_answer(engine, &second);
    assert_string_equal(json_get_string(second.result, "run", ""), id);
    assert_int_equal(json_get_integer(second.result, "attempt", 0), 1);
    answer_clear(&second);
}

static void test_a_run_that_was_being_granted_goes_back(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = setup_run(engine);
    struct answer poll = {0};
    begin_poll(engine, "w2", 0, &poll); /* the grant is on its way to the database */
    run_lease_cancel(&engine->jobs, &poll);
    assert_true(poll.done);
    assert_null(poll.result);
    g_autoptr(json_t) job = take_job(engine);
    assert_string_equal(json_get_string(job, "run", ""), id);
    assert_int_equal(json_get_integer(job, "attempt", 0), 2);
}

static void test_a_worker_has_one_poll(void **state)
{
    struct engine *engine = *state;
    struct answer first = {0}, other = {0}, second = {0};
    engine_set_times(engine, HOUR_MS, HOUR_MS, HOUR_MS);
    begin_poll(engine, "w1", 0, &first);
    begin_poll(engine, "w2", 0, &other);
    settle_writes(engine);
    begin_poll(engine, "w1", 0, &second); /* its first connection broke */
    assert_true(first.done);
    assert_null(first.result);
    assert_false(other.done || second.done);
    g_autofree char *id = setup_run(engine);
    while (!other.done && !second.done)
        loop_step(engine->jobs.loop);
    run_lease_cancel(&engine->jobs, &other);
    run_lease_cancel(&engine->jobs, &second);
    answer_clear(&other);
    answer_clear(&second);
}

/* A worker that waits for a job hears at once that one of its runs is to be cancelled. */
static void test_a_cancel_ends_the_poll(void **state)
{
    struct engine *engine = *state;
    g_autofree char *id = setup_run(engine);
    struct answer poll = {0}, other = {0};
    g_autoptr(json_t) job = take_job_as(engine, getpid());
    begin_poll(engine, "w1", getpid(), &poll);
    begin_poll(engine, "w2", 0, &other);
    settle_writes(engine);
    json_decref(call_ok(engine, run_cancel, json_pack("{s:s}", "id", id)));
    assert_true(poll.done);
    assert_null(poll.result);
    assert_false(other.done); /* not its run */
    run_lease_cancel(&engine->jobs, &other);
}

/* --- what people see -------------------------------------------------------------------------------------------------
 */

static void test_counted_while_it_lives(void **state)
{
    struct engine *engine = *state;
    const struct run_workers *workers = engine->jobs.runs->workers;
    struct answer poll = {0};
    pid_t pid = worker_process();
    engine_set_times(engine, HOUR_MS, HOUR_MS, HOUR_MS);
    assert_int_equal(run_workers_count(workers, HOUR_MS), 0);
    begin_poll(engine, "w1", pid, &poll);
    assert_int_equal(run_workers_count(workers, HOUR_MS), 1);
    kill_worker(pid);
    await_answer(engine, &poll);
    assert_int_equal(run_workers_count(workers, HOUR_MS), 0);
    answer_clear(&poll);
}

#define engine_test(name) cmocka_unit_test_setup_teardown(name, engine_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_its_leases_end_with_it),
        engine_test(test_its_leases_end_after_a_restart),
        engine_test(test_a_job_that_it_never_confirmed_goes_back),
        engine_test(test_another_worker_keeps_its_lease),
        engine_test(test_a_worker_from_elsewhere_keeps_its_lease),
        engine_test(test_no_run_for_a_poll_that_was_cancelled),
        engine_test(test_a_run_that_was_being_granted_goes_back),
        engine_test(test_a_worker_has_one_poll),
        engine_test(test_a_cancel_ends_the_poll),
        engine_test(test_counted_while_it_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
