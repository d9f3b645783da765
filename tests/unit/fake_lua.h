/* fake_lua: lua_run.h for tests of the executor: a step's text is one word of a small language instead of Lua, so that
 * a test can say how a step ends. Include once, in the test that wants it in place of the real one.
 *
 *   ok | fail CODE | skip | finish | data N | hang (until interrupted) | stubborn (hang, and interrupted it ends ok)
 *   defer (what follows is not interrupted)
 *   ssh HOST WORD… (the service; a failure fails the step) | nap MS | point (checkpoint)
 * `;` separates; each part runs after the one before it. A `when` expression is true, false or error. */
#ifndef TESTS_UNIT_FAKE_LUA_H
#define TESTS_UNIT_FAKE_LUA_H

#include "core/errors.h"
#include "lua/lua_run.h"

#include <string.h>

/* How often a script has asked the runner for something, or ended: it has told all that comes before. */
G_GNUC_UNUSED static int fake_lua_said;

struct lua_run {
    struct lua_run_options options;
    struct loop_timer *turn;
    char **parts;
    size_t next;
    json_t *data;
    struct op *op;
    void (*done)(void *arg, const struct lua_outcome *outcome);
    void (*when_done)(void *arg, bool value, const GError *error);
    void *arg;
    char *expression;
    bool hanging, stubborn, deferring;
};

static void fake_end(struct lua_run *run, enum lua_result result, const char *code, const char *message)
{
    g_autoptr(json_t) error = code ? json_pack("{s:s, s:s?}", "code", code, "message", message) : NULL;
    g_autoptr(json_t) data = g_steal_pointer(&run->data);
    struct lua_outcome outcome = {
        .result = result, .data = data, .error = error, .message = code ? NULL : (char *)message};
    void (*done)(void *, const struct lua_outcome *) = run->done;

    run->done = NULL;
    run->hanging = false;
    g_clear_pointer(&run->parts, g_strfreev);
    done(run->arg, &outcome);
    fake_lua_said++;
}

static void fake_served(void *arg, json_t *result, const GError *error)
{
    struct lua_run *run = arg;

    g_clear_pointer(&run->op, op_unref);
    if (!error && json_get_integer(result, "code", 0) == 0)
        loop_timer_start(run->turn, 0, 0);
    else if (!error)
        fake_end(run, LUA_RESULT_FAILED, "exit", "the exit code is not 0");
    else if (errors_of(error) == ERROR_CANCELLED)
        fake_end(run, LUA_RESULT_CANCELLED, "cancelled", error->message);
    else if (run->hanging)
        fake_end(run, LUA_RESULT_TIMED_OUT, "timeout", error->message);
    else
        fake_end(run, LUA_RESULT_FAILED, errors_code(errors_of(error)), error->message);
}

static void fake_call(struct lua_run *run, const char *name, json_t *args)
{
    run->op = op_new(fake_served, run);
    struct op *op = op_ref(run->op);
    run->options.service(run->options.service_arg, name, args, op);
    op_unref(op);
    json_decref(args);
    fake_lua_said++;
}

static json_t *fake_ssh_args(char **words)
{
    json_t *argv = json_array();

    for (size_t i = 2; words[i]; i++)
        json_array_append_new(argv, json_string(words[i]));
    return json_pack("{s:s, s:o}", "host", words[1], "argv", argv);
}

static void fake_part(struct lua_run *run, const char *part)
{
    g_auto(GStrv) words = g_strsplit(part, " ", -1);

    if (strcmp(words[0], "ok") == 0)
        loop_timer_start(run->turn, 0, 0);
    else if (strcmp(words[0], "fail") == 0)
        fake_end(run, LUA_RESULT_FAILED, words[1], "it failed");
    else if (strcmp(words[0], "skip") == 0)
        fake_end(run, LUA_RESULT_SKIPPED, NULL, "no need");
    else if (strcmp(words[0], "finish") == 0)
        fake_end(run, LUA_RESULT_FINISHED, NULL, "nothing to do");
    else if (strcmp(words[0], "data") == 0) {
        json_object_set_new(run->data, "n", json_string(words[1]));
        loop_timer_start(run->turn, 0, 0);
    } else if (strcmp(words[0], "ssh") == 0)
        fake_call(run, "ssh.run", fake_ssh_args(words));
    else if (strcmp(words[0], "nap") == 0)
        fake_call(run, "sleep", json_pack("{s:i}", "ms", (int)strtol(words[1], NULL, 10)));
    else if (strcmp(words[0], "defer") == 0) {
        run->deferring = true;
        loop_timer_start(run->turn, 0, 0);
    } else if (strcmp(words[0], "point") == 0)
        fake_call(run, "checkpoint", json_pack("{s:O}", "data", run->data));
    else {
        run->hanging = true;
        run->stubborn = strcmp(words[0], "stubborn") == 0;
    }
}

static void fake_turn(void *arg)
{
    struct lua_run *run = arg;

    if (run->when_done) {
        void (*done)(void *, bool, const GError *) = g_steal_pointer(&run->when_done);
        g_autoptr(GError) error =
            strcmp(run->expression, "error") == 0 ? g_error_new(HIKESHI_ERROR, ERROR_LUA, "bad when") : NULL;
        done(run->arg, strcmp(run->expression, "true") == 0, error);
    } else if (run->parts && run->parts[run->next]) {
        fake_part(run, g_strstrip(run->parts[run->next++]));
    } else if (run->done) {
        fake_end(run, LUA_RESULT_OK, NULL, NULL);
    }
}

struct lua_run *lua_run_new(const struct lua_run_options *options, GError **error)
{
    struct lua_run *run = g_new0(struct lua_run, 1);

    (void)error;
    run->options = *options;
    run->turn = loop_timer_new(options->loop, fake_turn, run);
    return run;
}

void lua_run_step(struct lua_run *run, const struct lua_step *step,
                  void (*done)(void *arg, const struct lua_outcome *outcome), void *arg)
{
    run->parts = g_strsplit(step->text, ";", -1);
    run->next = 0;
    run->deferring = false;
    run->data = json_deep_copy(step->data);
    run->done = done;
    run->arg = arg;
    loop_timer_start(run->turn, 0, 0);
}

void lua_run_when(struct lua_run *run, const struct lua_step *step, const char *expression,
                  void (*done)(void *arg, bool value, const GError *error), void *arg)
{
    (void)step;
    g_free(run->expression);
    run->expression = g_strdup(expression);
    run->when_done = done;
    run->arg = arg;
    loop_timer_start(run->turn, 0, 0);
}

void lua_run_interrupt(struct lua_run *run, int code)
{
    if (run->deferring)
        return;
    run->hanging = true;
    if (run->op)
        op_cancel(run->op, code);
    else if (run->stubborn || (run->parts && g_strv_contains((const char *const *)run->parts, "stubborn")))
        fake_end(run, LUA_RESULT_OK, NULL, NULL);
    else if (run->done)
        fake_end(run, code == ERROR_TIMEOUT ? LUA_RESULT_TIMED_OUT : LUA_RESULT_CANCELLED, errors_code(code),
                 "interrupted");
}

bool lua_run_stuck(const struct lua_run *run)
{
    (void)run;
    return false;
}

void lua_run_free(struct lua_run *run)
{
    if (!run)
        return;
    if (run->op) {
        op_abandon(run->op);
        op_unref(run->op);
    }
    loop_timer_free(run->turn);
    json_decref(run->data);
    g_strfreev(run->parts);
    g_free(run->expression);
    g_free(run);
}

#endif
