/* bind_base: functions of Lua's base library that a step gets in a safer form, and require. */
#include "core/limits.h"
#include "lua/bind.h"
#include "lua/lua_run.h"
#include "lua/raise.h"
#include "lua/sandbox.h"
#include "lua/script.h"
#include "lua/syntax.h"
#include "lua/view.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

static bool has_field(lua_State *L, const char *key)
{
    lua_pushstring(L, key);
    bool has = lua_rawget(L, 2) != LUA_TNIL;
    lua_pop(L, 1);
    return has;
}

/* setmetatable(table, metatable) → table
 * Refuses `__gc` and `__close`: a finalizer cannot be interrupted, and `defer` is for that.
 * @param table table
 * @param metatable? table
 * @return table table
 * @raise misuse
 * @example
 *     local counts = setmetatable({}, {__index = function() return 0 end})
 *     counts.failed = counts.failed + 1 */
static int set_metatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int type = lua_type(L, 2);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (type == LUA_TTABLE && (has_field(L, "__gc") || has_field(L, "__close")))
        return raise_misuse(L, "__gc and __close do not exist here; defer(f) runs f when the step ends");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return raise_misuse(L, "this table's metatable is protected");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

/* load(text [, name [, mode [, env]]]) → function | nil, message
 * Source text only, up to 1 MiB.
 * @param text string
 * @param name? string how messages call it
 * @param mode? string ignored: text is all there is
 * @param env? table its globals
 * @return function? chunk
 * @return string? message why it does not compile
 * @raise misuse
 * @example
 *     local chunk = assert(load("return 6 * 7"))
 *     log(chunk()) */
static int load_text(lua_State *L)
{
    size_t length;
    if (lua_type(L, 1) != LUA_TSTRING)
        return raise_misuse(L, "load takes source text, not %s", luaL_typename(L, 1));
    const char *text = lua_tolstring(L, 1, &length);
    if (length > LIMIT_MODULE_BYTES)
        return raise_misuse(L, "load takes at most %d KiB of source text", LIMIT_MODULE_BYTES / 1024);
    const char *name = luaL_optstring(L, 2, "=(load)");
    bool has_env = !lua_isnone(L, 4);
    if (luaL_loadbufferx(L, text, length, name, "t") != LUA_OK) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (has_env) {
        lua_pushvalue(L, 4);
        if (!lua_setupvalue(L, -2, 1))
            lua_pop(L, 1);
    }
    return 1;
}

/* The message handler of xpcall: the script's own is not called while an interrupt is on its way. It would run inside
 * the hook that raised, where there are no hooks, and nothing could stop it. */
static int handle_message(lua_State *L)
{
    if (interrupt_pending(&script_of(L)->interrupt))
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int finish_xpcall(lua_State *L, int status, lua_KContext context)
{
    bool fine = status == LUA_OK || status == LUA_YIELD;
    lua_pushboolean(L, fine);
    lua_replace(L, (int)context); /* where the message handler stood */
    return lua_gettop(L) - (int)context + 1;
}

/* xpcall(f, handler, ...) → true, values | false, value
 * The handler is not called when the step is being stopped.
 * @param f function
 * @param handler fun(e: any): any
 * @param ... any
 * @return boolean fine
 * @return any ...
 * @example
 *     local fine, text = xpcall(ssh, function(e) return "not that one: " .. tostring(e) end, "db-1") */
static int protected_call(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    int count = lua_gettop(L);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handle_message, 1);
    lua_replace(L, 2);
    lua_pushvalue(L, 1); /* f, handler, arguments…, f */
    lua_insert(L, 3);
    int status = lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, finish_xpcall);
    return finish_xpcall(L, status, 2);
}

/* next(table [, key]) → key, value
 * Works on read-only tables too.
 * @param table table
 * @param key? any
 * @return any key
 * @return any value
 * @example
 *     if next(params) == nil then log("no params") end */
static int next_pair(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (view_json(L, 1))
        return view_next(L);
    lua_settop(L, 2);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

/* rawset(table, key, value) → table
 * Read-only tables stay so.
 * @param table table
 * @param key any
 * @param value any
 * @return table table
 * @raise misuse
 * @example
 *     rawset({}, "key", 1) */
static int raw_set(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    if (view_json(L, 1))
        return raise_misuse(L, "this table is read-only");
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

/* Modules */

static const char loading_key;

static int unknown_module(lua_State *L, const char *name, const json_t *modules)
{
    const char *paths[257];
    size_t count = 0;
    const char *path;
    json_t *text;
    json_object_foreach ((json_t *)modules, path, text) {
        if (count < 256)
            paths[count++] = path;
    }
    paths[count] = NULL;
    lua_pushfstring(L, "hikeshi/lib/%s.lua", name);
    return raise_unknown(L, "module", lua_tostring(L, -1), "", paths);
}

/* Pushes "hikeshi/lib/net/dns.lua" for "net.dns". */
static const char *push_path(lua_State *L, const char *name, size_t length)
{
    if (length == 0 || strlen(name) != length)
        raise_misuse(L, "require: '%.100s' is not a module's name like \"net.dns\"", name);
    for (const char *at = name; *at; at++) {
        if (!g_ascii_isalnum(*at) && *at != '_' && *at != '-' &&
            (*at != '.' || at == name || at[1] == '.' || at[1] == '\0'))
            raise_misuse(L, "require: '%.100s' is not a module's name like \"net.dns\"", name);
    }
    luaL_gsub(L, name, ".", "/");
    lua_pushfstring(L, "hikeshi/lib/%s.lua", lua_tostring(L, -1));
    return lua_tostring(L, -1);
}

/* The module's value is on top; 1 is its name. */
static int finish_require(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, true);
    }
    luaL_getsubtable(L, LUA_REGISTRYINDEX, "hikeshi.modules");
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return 1;
}

/* require(name) → value
 * The module `hikeshi/lib/NAME.lua` of the same commit, run once a step; `require("net.dns")` is
 * `hikeshi/lib/net/dns.lua`. A module has the step's functions and values. Names that begin with `hikeshi.`, such as
 * `hikeshi.psql`, are [the standard library](stdlib.md).
 * @param name string
 * @return any module
 * @raise misuse
 * @example
 *     local disk = require("disk")
 *     log(disk.used(ssh(params.host), "/")) */
static int require(lua_State *L)
{
    const json_t *modules = script_of(L)->facts->modules;
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, "hikeshi.modules");
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) != LUA_TNIL) {
        if (lua_touserdata(L, -1) == (void *)&loading_key)
            return raise_misuse(L, "module '%s' requires itself, or has failed to load before", name);
        return 1;
    }
    if (sandbox_push_module(L, name))
        return finish_require(L, LUA_OK, 0);
    if (g_str_has_prefix(name, LUA_MODULE_PREFIX "."))
        return raise_unknown(L, "module", name, "the standard library", lua_module_names());
    const char *path = push_path(L, name, lua_rawlen(L, 1));
    json_t *text = json_object_get(modules, path);
    if (!json_is_string(text))
        return unknown_module(L, name, modules);
    if (syntax_load(L, json_string_value(text), json_string_length(text), path, 1, false) != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, (void *)&loading_key);
    lua_rawset(L, 2);
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 1, 0, finish_require);
    return finish_require(L, LUA_OK, 0);
}

static const struct binding bindings[] = {
    {"setmetatable", set_metatable},
    {"load", load_text},
    {"next", next_pair},
    {"xpcall", protected_call},
    {"rawset", raw_set},
    {"require", require},
    {NULL, NULL},
};
const struct bind_table bind_base = {BIND_GLOBALS, "", bindings};
