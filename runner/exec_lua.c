/* exec_lua: runs a step's Lua in the run's thread, and tells how it ended in the executor's words. */
#include "runner/exec_private.h"

#include "core/errors.h"
#include "core/limits.h"

#include <string.h>

/* An expression has no business with more. */
#define WHEN_TIMEOUT_MS 5000

/* The hosts that Lua may see: those the run may touch, without mere jump hosts. */
static json_t *visible_inventory(const json_t *job)
{
    json_t *visible = json_array();
    size_t i;
    json_t *host;

    json_array_foreach (json_object_get(job, "inventory"), i, host)
        if (!json_get_bool(host, "jump_only", false))
            json_array_append(visible, host);
    return visible;
}

static json_t *run_global(const json_t *job)
{
    static const char *const keys[] = {"attempt", "url", "runbook", "trigger", "requested_by"};
    json_t *run = json_object();

    json_object_set(run, "id", json_object_get(job, "run"));
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        json_object_set(run, keys[i], json_object_get(job, keys[i]));
    return run;
}

static json_t *object_or_null(const json_t *job, const char *key)
{
    json_t *value = json_object_get(job, key);

    return json_is_object(value) ? value : NULL;
}

/* The run's Lua, with a new thread when the last step's had to be left behind. */
static struct lua_run *exec_lua(struct exec *exec, GError **error)
{
    const json_t *job = exec->options.job;

    if (exec->lua && lua_run_stuck(exec->lua))
        g_clear_pointer(&exec->lua, lua_run_free);
    if (exec->lua)
        return exec->lua;
    g_autoptr(json_t) inventory = visible_inventory(job);
    g_autoptr(json_t) run = run_global(job);
    struct lua_run_options options = {
        .loop = exec->options.loop,
        .service = services_call,
        .service_arg = exec,
        .params = json_object_get(job, "params"),
        .incident = object_or_null(job, "incident"),
        .alert = object_or_null(job, "alert"),
        .run = run,
        .modules = json_object_get(job, "modules"),
        .inventory = inventory,
        .refused_hosts = json_object_get(job, "refused_hosts"),
        .note_branches = exec->options.branches != NULL,
    };
    return exec->lua = lua_run_new(&options, error);
}

static struct lua_step exec_lua_step(const struct exec *exec)
{
    const json_t *step = exec->step;

    return (struct lua_step){
        .id = exec_step_id(exec),
        .file = json_get_string(step, "file", ""),
        .line = (int)json_get_integer(step, "line", 1),
        .text = json_get_string(step, "text", ""),
        .data = exec->data,
        .steps = exec->results,
        .approval = object_or_null(step, "approval"),
        .done = json_object_get(json_object_get(step, "done"), "items"),
        .timeout_ms = json_get_integer(step, "timeout_ms", DEFAULT_STEP_TIMEOUT_MS),
        .grace_ms = DEFAULT_GRACE_MS,
    };
}

/* lost: the command may have run; only an idempotent step has simply failed. */
static enum step_result failed_result(const struct exec *exec, const json_t *error)
{
    bool lost = strcmp(json_get_string(error, "code", ""), errors_code(ERROR_LOST)) == 0;

    return lost && !json_get_bool(exec->step, "idempotent", false) ? RESULT_UNKNOWN : RESULT_FAILED;
}

static enum step_result outcome_result(const struct exec *exec, const struct lua_outcome *outcome)
{
    static const enum step_result results[] = {
        [LUA_RESULT_OK] = RESULT_OK,
        [LUA_RESULT_FAILED] = RESULT_FAILED,
        [LUA_RESULT_SKIPPED] = RESULT_SKIPPED,
        [LUA_RESULT_FINISHED] = RESULT_OK,
        [LUA_RESULT_CANCELLED] = RESULT_CANCELLED,
        [LUA_RESULT_TIMED_OUT] = RESULT_TIMED_OUT,
    };

    return outcome->result == LUA_RESULT_FAILED ? failed_result(exec, outcome->error) : results[outcome->result];
}

/* The step's error without the command's whole output, which has events of its own. */
static json_t *outcome_error(const struct lua_outcome *outcome)
{
    if (!outcome->error)
        return NULL;
    json_t *error = json_copy(outcome->error);
    json_object_del(error, "result");
    return error;
}

/* Another try may go another way: both count. */
static void note_branches(struct exec *exec, const json_t *branches)
{
    json_t *noted = json_object_get(exec->options.branches, exec_step_id(exec)), *ways;
    size_t i;

    if (!noted) {
        json_object_set(exec->options.branches, exec_step_id(exec), (json_t *)branches);
        return;
    }
    json_array_foreach (branches, i, ways)
        json_array_set_new(noted, i,
                           json_integer(json_integer_value(ways) | json_integer_value(json_array_get(noted, i))));
}

static void exec_lua_done(void *arg, const struct lua_outcome *lua)
{
    struct exec *exec = arg;
    g_autoptr(json_t) error = outcome_error(lua);
    struct step_outcome outcome = {
        .result = outcome_result(exec, lua),
        .finish = lua->result == LUA_RESULT_FINISHED,
        .message = lua->message,
        .data = lua->data,
        .error = error,
    };

    if (lua->branches)
        note_branches(exec, lua->branches);
    if (mask_finds_json(exec->mask, lua->data)) {
        json_decref(error);
        error = json_pack("{s:s, s:s, s:n}", "code", errors_code(ERROR_SECRET), "message", EXEC_SECRET_IN_DATA, "host");
        outcome = (struct step_outcome){.result = RESULT_FAILED, .error = error};
    }
    exec_step_ended(exec, &outcome);
}

void exec_lua_start(struct exec *exec)
{
    g_autoptr(GError) error = NULL;
    struct lua_run *lua = exec_lua(exec, &error);

    if (lua) {
        struct lua_step step = exec_lua_step(exec);
        lua_run_step(lua, &step, exec_lua_done, exec);
        return;
    }
    g_autoptr(json_t) object = exec_error_json(error, NULL);
    struct step_outcome outcome = {.result = RESULT_FAILED, .error = object};
    exec_step_ended(exec, &outcome);
}

void exec_lua_interrupt(struct exec *exec, int code)
{
    lua_run_interrupt(exec->lua, code);
}

void exec_lua_when(struct exec *exec, const char *expression, void (*done)(void *arg, bool value, const GError *error))
{
    g_autoptr(GError) error = NULL;
    struct lua_run *lua = exec_lua(exec, &error);

    if (!lua) {
        done(exec, false, error);
        return;
    }
    struct lua_step step = exec_lua_step(exec);
    step.timeout_ms = MIN(step.timeout_ms, WHEN_TIMEOUT_MS);
    lua_run_when(lua, &step, expression, done, exec);
}
