/* bind_flow: how a step goes on or ends. */
#include "core/errors.h"
#include "lua/bind.h"
#include "lua/call.h"
#include "lua/keep.h"
#include "lua/options.h"
#include "lua/raise.h"
#include "lua/sandbox.h"
#include "lua/script.h"

#include <lauxlib.h>
#include <string.h>

/* Pushes the message at `index` as text; nil gives the fallback. */
static const char *message_at(lua_State *L, int index, const char *fallback)
{
    if (lua_isnoneornil(L, index))
        lua_pushstring(L, fallback);
    else
        luaL_tolstring(L, index, NULL);
    return lua_tostring(L, -1);
}

/* check(condition [, message]) → condition
 * Raises when the condition is false or nil.
 * @generic T
 * @param condition T
 * @param message? any
 * @return T condition
 * @raise check_failed
 * @example
 *     local used = tonumber(ssh("db-1"):run{"df", "-P", "/"}.stdout:match("(%d+)%%"))
 *     check(used, "df told nothing about /") */
static int check(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!lua_toboolean(L, 1))
        return raise_error(L, ERROR_CHECK_FAILED, NULL, NULL, "%s", message_at(L, 2, "the check is not met"));
    lua_settop(L, 1);
    return 1;
}

/* fail([message])
 * Fails the step.
 * @param message? any
 * @raise failed
 * @example
 *     if #hosts{role = "db"} < 2 then fail("there is no replica to fail over to") end */
static int fail(lua_State *L)
{
    return raise_error(L, ERROR_FAILED, NULL, NULL, "%s", message_at(L, 1, "the step failed"));
}

/* finish and skip end the script as a cancel does, so that no pcall on the way takes them for an error. */
static int end_script(lua_State *L, enum lua_result result, const char *function)
{
    struct script *script = script_of(L);
    if (script->deferring)
        return raise_misuse(L, "%s cannot be used in a defer function: the step has ended", function);
    if (script->work->expression)
        return raise_misuse(L, "%s cannot be used in a 'when' expression", function);
    size_t length;
    const char *message = lua_isnoneornil(L, 1) ? NULL : luaL_tolstring(L, 1, &length);
    if (message && !script->ending_message) {
        json_t *text = json_text_value(message, length);
        script->ending_message = g_strdup(json_string_value(text));
        json_decref(text);
    }
    if (!script->interrupt.ending)
        script->ending = result;
    script->interrupt.ending = true;
    return interrupt_now(L);
}

/* finish([message])
 * Ends the step, and the run, successfully: what follows is not needed.
 * @param message? any
 * @example
 *     if data.used and data.used < 80 then finish("nothing to do") end */
static int finish(lua_State *L)
{
    return end_script(L, LUA_RESULT_FINISHED, "finish");
}

/* skip([message])
 * Ends the step as skipped; the run goes on.
 * @param message? any
 * @example
 *     if incident == nil then skip("there is no incident to write on") end */
static int skip(lua_State *L)
{
    return end_script(L, LUA_RESULT_SKIPPED, "skip");
}

/* sleep(duration)
 * Waits.
 * @param duration Duration
 * @raise misuse
 * @example
 *     sleep("30s") */
static int sleep_for(lua_State *L)
{
    int64_t ms = options_duration_ms(L, 1, "the duration of sleep");
    return call_service(L, "sleep", json_pack("{s:I}", "ms", (json_int_t)ms), 0, call_finish);
}

/* defer(f)
 * `f` runs when the step ends, however it ends; the last one registered runs first. After a failure, a cancel or a
 * time-out all of them together have a grace of 60 s.
 * @param f fun()
 * @raise misuse
 * @example
 *     local h = ssh("web-1")
 *     h:run{"touch", "/run/app/maintenance"}
 *     defer(function() h:run{"rm", "-f", "/run/app/maintenance"} end) */
static int defer(lua_State *L)
{
    struct script *script = script_of(L);
    if (lua_type(L, 1) != LUA_TFUNCTION)
        return raise_misuse(L, "defer needs a function, as in defer(function() ... end)");
    if (script->deferring)
        return raise_misuse(L, "defer cannot be used in a defer function");
    if (script->defers >= 1000)
        return raise_misuse(L, "a step takes at most 1000 defer functions");
    sandbox_add_defer(L, 1, &script->defers);
    return 0;
}

static int finish_checkpoint(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    struct script *script = script_of(L);
    const GError *error = call_error(L);
    if (error)
        return raise_error(L, errors_of(error), NULL, NULL, "%s", error->message);
    if (script->checkpoint) { /* else a later checkpoint of another task has been kept already */
        json_decref(script->kept);
        script->kept = g_steal_pointer(&script->checkpoint);
    }
    return 0;
}

/* checkpoint()
 * Keeps `data` as it is now, also if the step fails later.
 * @raise invalid (a value that is not JSON), too_large (more than 256 KiB)
 * @example
 *     data.moved = (data.moved or 0) + 1
 *     checkpoint() */
static int checkpoint(lua_State *L)
{
    struct script *script = script_of(L);
    struct keep_problem problem;
    if (!sandbox_push_data(L))
        return 0; /* never looked at: nothing new to keep */
    json_t *data = keep_data(L, -1, &problem);
    if (!data)
        return raise_error(L, problem.code, NULL, NULL, "%s", problem.text);
    json_decref(script->checkpoint);
    script->checkpoint = data;
    return call_service(L, "checkpoint", json_pack("{s:o}", "data", json_deep_copy(data)), 0, finish_checkpoint);
}

static const struct binding bindings[] = {
    {"check", check},     {"fail", fail},   {"finish", finish},         {"skip", skip},
    {"sleep", sleep_for}, {"defer", defer}, {"checkpoint", checkpoint}, {NULL, NULL},
};
const struct bind_table bind_flow = {BIND_GLOBALS, "", bindings};
