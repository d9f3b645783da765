/* bind_many: several tasks of one run. The functions are Lua (lua/std); this gives them what they are made of.
 *
 * each(list, f [, opts]), parallel(f, g, ...), retry(f [, opts]), wait_until(f [, opts]): see their files. */
#include "core/clock.h"
#include "core/errors.h"
#include "lua/bind.h"
#include "lua/call.h"
#include "lua/options.h"
#include "lua/raise.h"
#include "lua/script.h"
#include "lua/task.h"
#include "lua/value.h"

#include <lauxlib.h>
#include <string.h>

/* engine.clock() → milliseconds of a clock that only goes forward */
static int engine_clock(lua_State *L)
{
    lua_pushinteger(L, clock_monotonic_ms());
    return 1;
}

/* engine.duration(value, what) → milliseconds */
static int engine_duration(lua_State *L)
{
    lua_pushinteger(L, options_duration_ms(L, 1, luaL_checkstring(L, 2)));
    return 1;
}

/* engine.misuse(message) */
static int engine_misuse(lua_State *L)
{
    return raise_misuse(L, "%s", luaL_checkstring(L, 1));
}

/* engine.known(opts, function, names): raises for a key of opts that is not in the list of names */
static int engine_known(lua_State *L)
{
    const char *names[33];
    size_t count = 0;
    lua_settop(L, 3);
    luaL_checkstack(L, 40, NULL);
    for (lua_Integer i = 1; count < 32 && lua_rawgeti(L, 3, i) == LUA_TSTRING; i++)
        names[count++] = lua_tostring(L, -1);
    names[count] = NULL;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        const char *key = luaL_tolstring(L, -1, NULL);
        if (!g_strv_contains(names, key))
            return raise_unknown(L, "option", key, luaL_checkstring(L, 2), names);
        lua_pop(L, 2);
    }
    return 0;
}

/* engine.raise(code, host or nil, message [, result]): code as in errors.def, "lua" when it is unknown */
static int engine_raise(lua_State *L)
{
    int code = errors_from_code(luaL_optstring(L, 1, ""));
    lua_settop(L, 4);
    raise_push(L, code == ERROR_INTERNAL ? ERROR_LUA : code, luaL_optstring(L, 2, NULL), luaL_checkstring(L, 3));
    lua_pushvalue(L, 4);
    lua_setfield(L, -2, "result");
    return lua_error(L);
}

/* engine.begin() → which each() of the step this is, from 1; {NAME: reason} of items that an earlier run has done, or
 * nil */
static int engine_begin(lua_State *L)
{
    struct script *script = script_of(L);
    const json_t *done = json_array_get(script->work->done, script->eaches++);
    lua_pushinteger(L, script->eaches);
    if (json_object_size(done) > 0)
        value_push(L, done, VALUE_NULL_AS_NIL);
    else
        lua_pushnil(L);
    return 2;
}

/* engine.skip(call, name, reason): records an item of the call-th each() that an earlier run has done */
static int engine_skip(lua_State *L)
{
    size_t name_length;
    lua_Integer call = luaL_checkinteger(L, 1);
    const char *name = luaL_checklstring(L, 2, &name_length), *reason = luaL_checkstring(L, 3);
    json_t *args =
        json_pack("{s:I, s:o, s:s, s:s, s:n, s:i}", "call", (json_int_t)call, "name",
                  json_text_value(name, name_length), "result", "skipped", "reason", reason, "error", "duration_ms", 0);
    return call_service(L, "item", args, 0, call_finish);
}

/* engine.item(call, name, result, code or nil, message or nil, milliseconds): records how one item of the call-th
 * each() ended */
static int engine_item(lua_State *L)
{
    size_t name_length, message_length;
    lua_Integer call = luaL_checkinteger(L, 1);
    const char *name = luaL_checklstring(L, 2, &name_length);
    const char *result = luaL_checkstring(L, 3);
    const char *code = luaL_optstring(L, 4, NULL);
    const char *message = luaL_optlstring(L, 5, "", &message_length);
    lua_Integer ms = luaL_checkinteger(L, 6);
    json_t *error = code ? json_object() : json_null();
    if (code) {
        json_object_set_new(error, "code", json_text_value(code, strlen(code)));
        json_object_set_new(error, "message", json_text_value(message, message_length));
    }
    json_t *args = json_object();
    json_object_set_new(args, "call", json_integer(call));
    json_object_set_new(args, "name", json_text_value(name, name_length));
    json_object_set_new(args, "result", json_string(result));
    json_object_set_new(args, "error", error);
    json_object_set_new(args, "duration_ms", json_integer(ms));
    return call_service(L, "item", args, 0, call_finish);
}

const struct binding engine_bindings[] = {
    {"spawn", task_spawn},
    {"wait", task_wait},
    {"clock", engine_clock},
    {"duration", engine_duration},
    {"misuse", engine_misuse},
    {"known", engine_known},
    {"raise", engine_raise},
    {"item", engine_item},
    {"begin", engine_begin},
    {"skip", engine_skip},
    {NULL, NULL},
};

static const struct binding bindings[] = {
    {"each", NULL}, {"parallel", NULL}, {"retry", NULL}, {"wait_until", NULL}, {NULL, NULL}};
const struct bind_table bind_many = {BIND_GLOBALS, "", bindings};
