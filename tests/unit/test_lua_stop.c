/* lua_run: interrupts, the grace of defer functions, data, `when`, threads. */
#include "tests/unit/lua_fixture.h"

#include "core/limits.h"

#include <signal.h>
#include <unistd.h>

/* Cancels the run once `count` services hang. */
static void run_and_cancel(struct fixture *f, const char *text, guint count)
{
    f->interrupt_on_hang = true;
    f->hang_count = count;
    fixture_run(f, text);
    f->interrupt_on_hang = false;
}

static const struct {
    const char *text;
    guint hanging; /* cancelled once so many hang */
    const char *heard_end;
    const char *why;
} cancels[] = {
    {"ssh('db-1'):run{'hang'}", 1, "", "in a service call"},
    {"pcall(function() ssh('db-1'):run{'hang'} end) log('no')", 1, "", "pcall does not see the cancel"},
    {"while true do pcall(function() ssh('db-1'):run{'hang'} end) end", 1, "", "nor does a loop around it"},
    {"retry(function() ssh('db-1'):run{'hang'} end) log('no')", 1, "", "nor retry"},
    {"each({1, 2, 3}, function() ssh('db-1'):run{'hang'} end) log('no')", 3, "", "several tasks"},
    {"parallel(function() ssh('db-1'):run{'hang'} end, function() while true do log('x') end end)", 1, "",
     "a waiting and a busy task"},
    {"each({1, 2}, function() each({3, 4}, function() ssh('db-1'):run{'hang'} end) end)", 4, "", "tasks of tasks"},
    {"table.sort({2, 1}, function() ssh('db-1'):run{'hang'} end) log('no')", 1, "", "in a comparator"},
    {"table.sort({2, 1}, function() while true do pcall(function() ssh('db-1'):run{'hang'} end) end end) log('no')", 1,
     "", "in a pcall in a comparator"},
    {"defer(function() log('a') end) defer(function() log('b') end) ssh('db-1'):run{'hang'}", 1, "b\na\n",
     "defer functions run, newest first"},
    {"defer(function() log(ssh('db-1'):run{'echo', 'x'}.stdout) end) ssh('db-1'):run{'hang'}", 1, "\nx\n",
     "defer functions may call services"},
    {"defer(function() log('a') end) defer(function() error('b') end) ssh('db-1'):run{'hang'}", 1,
     "a defer function failed: runbooks/disk.md:31: b\na\n", "a failing defer function does not stop the others"},
};

static void test_cancel(void **state)
{
    (void)state;
    struct fixture f;
    int failures = 0;
    fixture_open(&f, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cancels); i++) {
        run_and_cancel(&f, cancels[i].text, cancels[i].hanging);
        if (f.result != LUA_RESULT_CANCELLED || g_strcmp0(f.code, "cancelled") != 0 || g_strcmp0(f.host, "db-1") != 0 ||
            !strstr(f.error, "stopped on db-1") || f.line != 31 ||
            !g_str_has_suffix(f.heard->str, cancels[i].heard_end))
            failures++, print_error("row: %s: result %d, %s '%s' on %s at %d, heard %s\n", cancels[i].why,
                                    (int)f.result, f.code, f.error, f.host, f.line, f.heard->str);
        fixture_run(&f, "log('on')");
        assert_int_equal(f.result, LUA_RESULT_OK);
    }
    fixture_close(&f);
    assert_int_equal(failures, 0);
}

static void test_time_out_in_service(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    f.interrupt_code = ERROR_TIMEOUT;
    run_and_cancel(&f, "defer(function() log('cleaned') end)\nssh('db-1'):run{'hang'}", 1);
    assert_int_equal(f.result, LUA_RESULT_TIMED_OUT);
    assert_string_equal(f.code, "timeout");
    assert_non_null(strstr(f.error, "stopped on db-1"));
    assert_int_equal(f.line, 32);
    assert_true(g_str_has_suffix(f.heard->str, "cleaned\n"));
    fixture_close(&f);
}

static void test_grace_ends(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "defer(function() log('never') end) defer(function() while true do end end) error('x')",
        "defer(function() log('never') end) defer(function() ssh('db-1'):run{'hang'} end) error('x')",
        "defer(function() log('never') end) defer(function() while true do pcall(sleep, 0) end end) error('x')",
    };
    struct fixture f;
    fixture_open(&f, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        struct lua_step step = fixture_step(texts[i]);
        step.grace_ms = 20;
        fixture_start(&f, &step);
        fixture_wait(&f);
        assert_int_equal(f.result, LUA_RESULT_FAILED);
        assert_string_equal(f.error, "x"); /* what failed first */
        assert_null(strstr(f.heard->str, "never"));
        fixture_run(&f, "log('on')");
        assert_string_equal(f.heard->str, "on\n");
    }
    fixture_close(&f);
}

static void test_cancel_while_deferring(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    /* After success the defer functions belong to the step's time: a cancel ends the one that runs, the others have the
     * grace. */
    run_and_cancel(&f, "defer(function() log('last') end) defer(function() ssh('db-1'):run{'hang'} end)", 1);
    assert_int_equal(f.result, LUA_RESULT_CANCELLED);
    assert_true(g_str_has_suffix(f.heard->str, "last\n"));
    fixture_close(&f);
}

/* A service that does not end when it is cancelled, which it is at once. */
struct deaf {
    struct lua_run *run;
    struct op *op;
};

static void ignore_cancel(void *arg, int code)
{
    (void)arg, (void)code;
}

static void deaf_service(void *arg, const char *name, json_t *args, struct op *op)
{
    struct deaf *deaf = arg;
    (void)name, (void)args;
    deaf->op = op_ref(op);
    op_on_cancel(op, ignore_cancel, NULL);
    lua_run_interrupt(deaf->run, ERROR_TIMEOUT);
}

static void test_late_answer_is_dropped(void **state)
{
    (void)state;
    struct fixture f;
    struct deaf deaf = {0};
    fixture_open(&f, 0);
    lua_run_free(f.run);
    deaf.run = f.run =
        lua_run_new(&(struct lua_run_options){.loop = f.loop, .service = deaf_service, .service_arg = &deaf}, NULL);
    struct lua_step step = fixture_step("sleep(1)");
    step.grace_ms = 10;
    fixture_start(&f, &step);
    fixture_wait(&f);
    assert_int_equal(f.result, LUA_RESULT_TIMED_OUT);
    op_done(deaf.op, json_null(), NULL); /* nobody waits any more */
    op_unref(deaf.op);
    fixture_run(&f, "data.x = 1");
    assert_int_equal(f.result, LUA_RESULT_OK);
    fixture_close(&f);
}

static void test_free_in_mid_step(void **state)
{
    (void)state;
    static const char *const texts[] = {"while true do end", "ssh('db-1'):run{'hang'}", "while true do log('x') end"};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        struct fixture f;
        fixture_open(&f, 0);
        struct lua_step step = fixture_step(texts[i]);
        fixture_start(&f, &step);
        for (int turn = 0; i == 2 && turn < 5; turn++)
            loop_step(f.loop);
        fixture_close(&f); /* no callback, no leak, no thread left */
        assert_false(f.done);
    }
    while (lua_run_abandoned() > 0) /* on a busy machine a thread may need a moment longer */
        g_thread_yield();
}

/* A thread that the interrupt's signal does not reach is stuck: the handler is held until the test lets it go. */
static int held[2];
static struct sigaction real_action;

static void hold(int signum)
{
    char byte;
    if (read(held[0], &byte, 1) == 1)
        real_action.sa_handler(signum);
}

static void test_stuck(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    assert_int_equal(pipe(held), 0);
    struct sigaction action = {.sa_handler = hold};
    sigaction(SIGURG, &action, &real_action);
    struct lua_step step = fixture_step("while true do end");
    step.timeout_ms = 10;
    fixture_start(&f, &step);
    fixture_wait(&f);
    assert_int_equal(f.result, LUA_RESULT_FAILED);
    assert_string_equal(f.code, "stuck");
    assert_true(lua_run_stuck(f.run));
    assert_int_equal(lua_run_abandoned(), 1);
    sigaction(SIGURG, &real_action, NULL);
    assert_int_equal(write(held[1], "x", 1), 1); /* it comes back after all */
    while (lua_run_abandoned() > 0)
        g_thread_yield();
    close(held[0]);
    close(held[1]);
    fixture_close(&f);
}

/* data */

static const struct {
    const char *before; /* JSON, or NULL */
    const char *text;
    const char *after; /* JSON */
    const char *error; /* "code message", its beginning, or NULL */
    const char *why;
} data_rows[] = {
    {"{\"a\":1}", "", "{\"a\":1}", NULL, "untouched"},
    {"{\"a\":1}", "data.b = {x = true, 2.5}", "{\"a\":1}", "invalid data.b: a table with keys that are neither",
     "mixed keys, named by path"},
    {"{\"a\":1,\"e\":{},\"n\":null}", "data.b = {'x', {}}", "{\"a\":1,\"b\":[\"x\",[]],\"e\":{},\"n\":null}", NULL,
     "values of every kind"},
    {"{\"a\":1}", "data = {c = json.null}", "{\"c\":null}", NULL, "replaced"},
    {"{\"a\":1}", "data.a = nil", "{}", NULL, "emptied"},
    {"{\"a\":1}", "data = 3", "{\"a\":1}", "invalid data must stay a table", "no table"},
    {"{\"a\":1}", "data = {1, 2}", "{\"a\":1}", "invalid data must have names as keys", "a list"},
    {"{\"a\":1}", "data.f = {g = {log}}", "{\"a\":1}", "invalid data.f.g[1]: a function is not JSON", "a function"},
    {"{\"a\":1}", "data.x = 1/0", "{\"a\":1}", "invalid data.x: a number that is not finite", "infinity"},
    {"{\"a\":1}", "data.x = '\\xff'", "{\"a\":1}", "invalid data.x: text that is not UTF-8", "bytes"},
    {"{\"a\":1}", "data.x = data", "{\"a\":1}", "invalid data.x.x", "a circle"},
    {"{\"a\":1}", "data.h = hosts()[1] data.p = params", NULL, NULL, "read-only tables are copied"},
    {"{\"a\":1}", "data.x = ('x'):rep(300 * 1024)", "{\"a\":1}", "too_large data holds 301 KiB; at most 256 KiB",
     "too much"},
    {"{\"a\":1}", "data.a = 2 error('x')", "{\"a\":1}", "lua x", "a failed step keeps nothing"},
    {"{\"a\":1}", "data.a = 2 checkpoint() data.a = 3 error('x')", "{\"a\":2}", "lua x", "but its checkpoint"},
    {"{\"a\":1}", "data.a = log checkpoint()", "{\"a\":1}", "invalid data.a: a function", "checkpoint refuses too"},
    {"{\"a\":1}", "data.a = 2 finish()", "{\"a\":2}", NULL, "finish keeps"},
    {"{\"a\":1}", "data.a = 2 skip()", "{\"a\":2}", NULL, "skip keeps"},
    {"{\"a\":1}", "defer(function() data.a = 5 end)", "{\"a\":5}", NULL, "what defer functions change is kept"},
    {"{\"big\":9007199254740993,\"t\":\"a\\u0000b\"}", "data.ok = data.big == 9007199254740993 and #data.t == 3",
     "{\"big\":9007199254740993,\"ok\":true,\"t\":\"a\\u0000b\"}", NULL, "integers and NUL come through"},
};

static void test_data(void **state)
{
    (void)state;
    struct fixture f;
    int failures = 0;
    fixture_open(&f, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(data_rows); i++) {
        json_t *before = fixture_json(data_rows[i].before);
        struct lua_step step = fixture_step(data_rows[i].text);
        step.data = before;
        fixture_start(&f, &step);
        fixture_wait(&f);
        char *after = json_text(f.data);
        char *error = g_strdup_printf("%s %s", f.code ? f.code : "", f.error ? f.error : "");
        if ((data_rows[i].after && strcmp(after, data_rows[i].after) != 0) || !data_rows[i].error != !f.code ||
            (data_rows[i].error && !g_str_has_prefix(error, data_rows[i].error)))
            failures++, print_error("row: %s: data %s, error %s\n", data_rows[i].why, after, error);
        g_free(after);
        g_free(error);
        json_decref(before);
    }
    fixture_close(&f);
    assert_int_equal(failures, 0);
}

static void test_earlier_steps_and_approval(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    json_t *steps =
        fixture_json("{\"top\":{\"result\":\"ok\",\"hosts\":{\"db-1\":{\"stdout\":\"load 3\",\"code\":0}}}}");
    json_t *approval = fixture_json("{\"inputs\":{\"new_primary\":\"db-2\"},\"decisions\":[{\"by\":\"aiko\"}]}");
    struct lua_step step = fixture_step(
        "log(steps.top.hosts['db-1'].stdout, steps.nope, approval.inputs.new_primary, #approval.decisions)");
    step.steps = steps;
    step.approval = approval;
    fixture_start(&f, &step);
    fixture_wait(&f);
    assert_string_equal(f.heard->str, "load 3 nil db-2 1\n");
    json_decref(steps);
    json_decref(approval);
    fixture_close(&f);
}

/* when */

struct when {
    bool done, value;
    char *error;
};

static void when_done(void *arg, bool value, const GError *error)
{
    struct when *when = arg;
    when->done = true;
    when->value = value;
    when->error = error ? g_strdup_printf("%s %s", errors_code(error->code), error->message) : NULL;
}

static void test_when(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        bool value;
        const char *error;
        const char *why;
    } rows[] = {
        {"data.used > 80", true, NULL, "data"},
        {"data.used > 95 or params.keep_days == 8", false, NULL, "params"},
        {"nil", false, NULL, "nil is false"},
        {"0", true, NULL, "as in Lua"},
        {"#hosts('role=db') == 2", true, NULL, "inventory"},
        {"(function() data.used = 0 return data.used == 0 end)()", true, NULL, "what it changes is dropped"},
        {"data.used == 91", true, NULL, "as the row before shows"},
        {"data.x.y", false, "lua runbooks/disk.md:31: attempt to index a nil value", "error with its place"},
        {"params.kep_days", false, "lua runbooks/disk.md:31: unknown param 'kep_days'; did you mean 'keep_days'?",
         "unknown param"},
        {"ssh('db-1'):run{'echo'}", false, "lua runbooks/disk.md:31: ssh.run cannot be used in a 'when' expression",
         "no effects"},
        {"finish()", false, "lua runbooks/disk.md:31: finish cannot be used", "no ends"},
        {"x =", false, "lua runbooks/disk.md:31: ", "syntax"},
        {"(function() while true do end end)()", false, "timeout runbooks/disk.md:31: the step's time is over",
         "endless"},
    };
    struct fixture f;
    int failures = 0;
    fixture_open(&f, 0);
    json_t *data = fixture_json("{\"used\":91}");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct when when = {0};
        struct lua_step step = fixture_step("error('not this')");
        step.data = data;
        step.timeout_ms = strcmp(rows[i].why, "endless") == 0 ? 10 : 60000;
        lua_run_when(f.run, &step, rows[i].expression, when_done, &when);
        while (!when.done)
            loop_step(f.loop);
        if (when.value != rows[i].value || !when.error != !rows[i].error ||
            (when.error && !g_str_has_prefix(when.error, rows[i].error)))
            failures++, print_error("row: %s: %d %s\n", rows[i].why, when.value, when.error);
        g_free(when.error);
    }
    json_decref(data);
    fixture_close(&f);
    assert_int_equal(failures, 0);
}

/* Threads */

static void test_two_runs_at_once(void **state)
{
    (void)state;
    struct fixture a, b;
    fixture_open(&a, 0);
    fixture_open(&b, 0);
    struct lua_step first = fixture_step("leak = 'a' string.leak = 'a' log('a') ssh('db-1'):run{'hang'}");
    struct lua_step second = fixture_step("log(rawget(string, 'leak'), pcall(function() return leak end))");
    fixture_start(&a, &first);
    while (a.hanging->len == 0)
        loop_step(a.loop);
    fixture_start(&b, &second); /* while the first waits in mid-step */
    fixture_wait(&b);
    assert_true(g_str_has_prefix(b.heard->str, "nil false runbooks/disk.md:31: unknown name 'leak'"));
    lua_run_interrupt(a.run, ERROR_CANCELLED);
    fixture_wait(&a);
    assert_int_equal(a.result, LUA_RESULT_CANCELLED);
    fixture_run(
        &a,
        "log(rawget(string, 'leak'), pcall(function() return leak end))"); /* nor does the next step of the same run */
    assert_true(g_str_has_prefix(a.heard->str, "nil false runbooks/disk.md:31: unknown name 'leak'"));
    fixture_close(&a);
    fixture_close(&b);
}

static void test_two_busy_runs(void **state)
{
    (void)state;
    struct fixture a, b;
    fixture_open(&a, 0);
    fixture_open(&b, 0);
    struct lua_step endless = fixture_step("while true do local t = {} end");
    struct lua_step work = fixture_step("local n = 0 for i = 1, 200000 do n = n + #tostring(i) end log(n)");
    endless.timeout_ms = 50;
    fixture_start(&a, &endless);
    fixture_run(&b, work.text);
    assert_string_equal(b.heard->str, "1088895\n");
    fixture_wait(&a);
    assert_int_equal(a.result, LUA_RESULT_TIMED_OUT);
    fixture_close(&a);
    fixture_close(&b);
}

static void test_many_steps(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    for (int i = 0; i < 1000; i++) {
        fixture_run(&f, "data.n = 1 log(params.host)");
        assert_int_equal(f.result, LUA_RESULT_OK);
    }
    fixture_close(&f); /* LeakSanitizer does the rest */
}

static void test_interrupt_when_idle(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    lua_run_interrupt(f.run, ERROR_CANCELLED); /* nothing to interrupt */
    fixture_run(&f, "log('on')");
    lua_run_interrupt(f.run, ERROR_CANCELLED);
    fixture_run(&f, "log('on')");
    assert_int_equal(f.result, LUA_RESULT_OK);
    fixture_close(&f);
}

/* An interrupt at any moment: between the posting of the step and its end, every one ends well or as cancelled. */
static void test_interrupt_at_any_time(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 0);
    struct lua_step step = fixture_step(
        "for i = 1, 20 do pcall(log, i) end table.sort({3, 1, 2}, function(a, b) log('s') return a < b end)");
    int cancelled = 0;
    for (int i = 0; i < 300; i++) {
        fixture_start(&f, &step);
        for (int turn = 0; turn < i % 30 && !f.done; turn++)
            loop_step(f.loop);
        lua_run_interrupt(f.run, ERROR_CANCELLED);
        fixture_wait(&f);
        cancelled += f.result == LUA_RESULT_CANCELLED;
        assert_true(f.result == LUA_RESULT_OK || f.result == LUA_RESULT_CANCELLED);
    }
    assert_true(cancelled > 0);
    fixture_close(&f);
    assert_int_equal(lua_run_abandoned(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_time_out_in_service),
        cmocka_unit_test(test_grace_ends),
        cmocka_unit_test(test_cancel_while_deferring),
        cmocka_unit_test(test_late_answer_is_dropped),
        cmocka_unit_test(test_free_in_mid_step),
        cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_earlier_steps_and_approval),
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_two_runs_at_once),
        cmocka_unit_test(test_two_busy_runs),
        cmocka_unit_test(test_many_steps),
        cmocka_unit_test(test_interrupt_when_idle),
        cmocka_unit_test(test_interrupt_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
