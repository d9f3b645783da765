#include "lua/sandbox.h"

#include "core/embed.h"
#include "core/finding.h"
#include "lua/bind.h"
#include "lua/lua_run.h"
#include "lua/raise.h"
#include "lua/script.h"
#include "lua/task.h"
#include "lua/value.h"
#include "lua/view.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

/* @class Incident
 * @field id string
 * @field source string
 * @field key string what the source groups by
 * @field title string
 * @field status string
 * @field severity? string `SEV1` to `SEV4`
 * @field service? string
 * @field team? string
 * @field labels table<string, string> those that all its firing alerts have
 * @field url? string
 * @field opened_at string RFC 3339, as are the next two
 * @field acknowledged_at? string
 * @field resolved_at? string
 * @field alerts Alert[] */

/* @class Alert
 * @field id string
 * @field status string `firing` or `resolved`
 * @field name string
 * @field labels table<string, string>
 * @field annotations table<string, string>
 * @field starts_at? string
 * @field ends_at? string
 * @field url? string */

/* @class Run
 * @field id string
 * @field attempt integer
 * @field url? string
 * @field runbook table<string, any> `id`, `title`, `path`, `repository`, `commit`, `owner`
 * @field trigger table<string, string> `kind`, `id`
 * @field requested_by table<string, string> `kind`, `name` */

/* @class StepResult
 * @field result string `ok`, `failed`, `skipped`, …
 * @field hosts table<string, {stdout: string, stderr: string, code: integer}> of a shell step, by host */

/* @class Approval
 * @field inputs table<string, any> what the approvers filled in
 * @field decisions Decision[] */

/* @class Decision
 * @field by string
 * @field via string
 * @field at string
 * @field verdict string `approve` or `deny`
 * @field reason? string */

extern const struct embedded_file lua_std_files[];

static const char base_key, engine_key, defers_key;

/* The functions of Lua's base library that scripts may have; the rest of it never gets into a step. */
static const char *const base_names[] = {"assert",   "error",    "getmetatable", "ipairs", "pairs",
                                         "pcall",    "rawequal", "rawget",       "rawlen", "select",
                                         "tonumber", "tostring", "type",         NULL};
static const char *const libraries[] = {"string", "table", "math", "utf8", NULL};

/* Values of the run: made when a script first uses their name.
 *
 * @value params table<string, any> the run's params; one without a value is `nil`, a name that is not declared raises
 * @value incident Incident? what the run is for, in the shape of the API; `nil` when there is none
 * @value alert Alert? the incident's alert that started the run; `nil` when there is none
 * @value run Run the run itself
 * @value steps table<string, StepResult> earlier steps: `steps.top.result`, `steps.top.hosts["db-1"].stdout`
 * @value approval Approval? who approved the step, and what they filled in; `nil` when the step needed none
 * @value data table the table that is kept from step to step: JSON values, at most 256 KiB. It is kept when the step
 *   ends without failing, and at `checkpoint()`; a value that is not JSON fails the step and is named by its path. All
 *   other values are read-only
 * @value json.null userdata what JSON calls null: `json.decode` gives it, and a table can hold it */
enum value_name { PARAMS, INCIDENT, ALERT, RUN, STEPS, APPROVAL, DATA };
static const char *const value_names[] = {"params", "incident", "alert", "run", "steps", "approval", "data"};

/* What people try, and what to use. */
static const struct {
    const char *name, *instead;
} hints[] = {
    {"print", "use log(...)"},
    {"os", "use ssh(host):run{...} for commands and time.now() for the time"},
    {"io", "steps have no files; use ssh(host):run{...}"},
    {"debug", "it is not part of a step's Lua"},
    {"coroutine", "use parallel(f, g) or each(list, f)"},
    {"package", "use require('name') for hikeshi/lib/name.lua"},
    {"dofile", "use require('name') for hikeshi/lib/name.lua"},
    {"loadfile", "use require('name') for hikeshi/lib/name.lua"},
    {"collectgarbage", "memory is looked after by the engine"},
    {"_G", "globals are not a table that steps can reach"},
};

/* Names that do not exist */

static int unknown_name(lua_State *L, const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(hints); i++) {
        if (strcmp(name, hints[i].name) == 0)
            return raise_misuse(L, "'%s' does not exist here: %s", name, hints[i].instead);
    }
    const char *names[200];
    size_t count = 0;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &base_key);
    lua_pushnil(L);
    while (lua_next(L, -2) && count < 180) {
        if (lua_type(L, -2) == LUA_TSTRING)
            names[count++] = lua_tostring(L, -2);
        lua_pop(L, 1);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(value_names); i++)
        names[count++] = value_names[i];
    names[count] = NULL;
    const char *nearest = finding_nearest(name, names);
    if (nearest)
        return raise_misuse(L, "unknown name '%.100s'; did you mean '%s'?", name, nearest);
    return raise_misuse(
        L, "unknown name '%.100s'; each step starts fresh: use a local, or data to keep values between steps", name);
}

static int push_value(lua_State *L, enum value_name which)
{
    const struct script *script = script_of(L);
    const struct facts *facts = script->facts;
    const json_t *json[] = {facts->params, facts->incident,     facts->alert,
                            facts->run,    script->work->steps, script->work->approval};
    if (which == DATA)
        value_push(L, script->work->data, VALUE_NULL_AS_NULL);
    else if (json_is_object(json[which]))
        view_push(L, which == PARAMS ? VIEW_PARAMS : VIEW_PLAIN, value_names[which], json[which]);
    else
        lua_pushnil(L);
    return 1;
}

/* Calls lua/std/NAME.lua with the untouched library as its globals and the engine's primitives as its argument. */
static int push_std(lua_State *L, const char *name)
{
    char chunk[80];
    g_snprintf(chunk, sizeof chunk, "=std/%s.lua", name);
    const char *path = chunk + 1;
    for (const struct embedded_file *file = lua_std_files; file->path; file++) {
        if (strcmp(file->path, path) != 0)
            continue;
        if (luaL_loadbufferx(L, (const char *)file->bytes, file->size, chunk, "t") != LUA_OK)
            return lua_error(L);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &base_key);
        lua_setupvalue(L, -2, 1);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &engine_key);
        lua_call(L, 1, 1);
        return 1;
    }
    return luaL_error(L, "no %s", path);
}

/* engine.part(name) → what lua/std/NAME.lua returns, for other files there */
static int engine_part(lua_State *L)
{
    return push_std(L, luaL_checkstring(L, 1));
}

bool sandbox_push_module(lua_State *L, const char *name)
{
    if (!g_strv_contains(lua_module_names(), name))
        return false;
    push_std(L, luaL_gsub(L, name, ".", "/"));
    lua_remove(L, -2);
    return true;
}

static bool is_std(const char *name)
{
    for (size_t i = 0; bind_tables[i]; i++) {
        if (bind_tables[i]->kind != BIND_GLOBALS)
            continue;
        for (const struct binding *binding = bind_tables[i]->bindings; binding->name; binding++) {
            if (!binding->function && strcmp(binding->name, name) == 0)
                return true;
        }
    }
    return false;
}

/* __index of the base table: makes what is made on first use, else raises. */
static int missing(lua_State *L)
{
    const char *name = luaL_checkstring(L, 2);
    bool found = false;
    for (size_t i = 0; i < G_N_ELEMENTS(value_names) && !found; i++) {
        if (strcmp(name, value_names[i]) == 0)
            found = push_value(L, (enum value_name)i);
    }
    if (!found && is_std(name))
        found = push_std(L, name);
    if (!found)
        return unknown_name(L, name);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
    return 1;
}

/* Opening */

static void add_bindings(lua_State *L, const struct binding *bindings)
{
    for (; bindings->name; bindings++) {
        if (!bindings->function)
            continue;
        lua_pushcfunction(L, bindings->function);
        lua_setfield(L, -2, bindings->name);
    }
}

static void add_table(lua_State *L, const struct bind_table *table)
{
    switch (table->kind) {
    case BIND_GLOBALS:
        add_bindings(L, table->bindings);
        break;
    case BIND_TABLE:
        lua_newtable(L);
        add_bindings(L, table->bindings);
        lua_setfield(L, -2, table->name);
        break;
    case BIND_REPLACE:
        lua_getfield(L, -1, table->name);
        add_bindings(L, table->bindings);
        lua_pop(L, 1);
        break;
    case BIND_METHODS:
        break;
    }
}

/* Pushes the base table, filled from what the libraries put into the state's first globals. */
static void push_base(lua_State *L)
{
    lua_pushglobaltable(L);
    lua_createtable(L, 0, 64);
    for (size_t i = 0; base_names[i]; i++) {
        lua_getfield(L, -2, base_names[i]);
        lua_setfield(L, -2, base_names[i]);
    }
    for (size_t i = 0; libraries[i]; i++) {
        lua_getfield(L, -2, libraries[i]);
        lua_setfield(L, -2, libraries[i]);
    }
    lua_remove(L, -2);
    lua_getfield(L, -1, "string");
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_pop(L, 1);
    for (size_t i = 0; bind_tables[i]; i++)
        add_table(L, bind_tables[i]);
    lua_getfield(L, -1, "json");
    value_push_null(L);
    lua_setfield(L, -2, "null");
    lua_pop(L, 1);
}

static void open_libraries(lua_State *L)
{
    luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
    luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
    luaL_requiref(L, "hikeshi.table", luaopen_table, 0); /* a second copy, out of reach, for bind_list.c */
    luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
    luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 1);
    lua_settop(L, 0);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    lua_settop(L, 0);
}

static void set_index(lua_State *L, int value)
{
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, value);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

static void push_engine(lua_State *L)
{
    lua_createtable(L, 0, 16);
    add_bindings(L, engine_bindings);
    lua_pushcfunction(L, engine_part);
    lua_setfield(L, -2, "part");
}

void sandbox_open(lua_State *L, struct script *script)
{
    (void)script;
    open_libraries(L);
    push_base(L); /* 1 */
    lua_pushcfunction(L, missing);
    lua_pushvalue(L, 1);
    set_index(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &base_key);
    push_engine(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &engine_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &defers_key);
    lua_newtable(L); /* the step's own globals: reads fall through to the base, writes stay here */
    set_index(L, 1);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_settop(L, 0);
}

bool sandbox_push_data(lua_State *L)
{
    lua_pushglobaltable(L);
    lua_pushliteral(L, "data");
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &base_key);
        lua_pushliteral(L, "data");
        lua_rawget(L, -2);
        lua_remove(L, -2);
    }
    lua_remove(L, -2);
    if (!lua_isnil(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

void sandbox_add_defer(lua_State *L, int index, unsigned *count)
{
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &defers_key);
    lua_pushvalue(L, index);
    lua_rawseti(L, -2, (lua_Integer)*count + 1);
    lua_pop(L, 1);
    (*count)++;
}

bool sandbox_pop_defer(lua_State *L, unsigned *count)
{
    if (*count == 0)
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &defers_key);
    lua_rawgeti(L, -1, (lua_Integer)*count);
    lua_pushnil(L);
    lua_rawseti(L, -3, (lua_Integer)*count);
    lua_remove(L, -2);
    (*count)--;
    return true;
}

const char *const *lua_global_names(void)
{
    static const char *names[160];
    static gsize ready;
    if (!g_once_init_enter(&ready))
        return names;
    size_t count = 0;
    for (size_t i = 0; base_names[i]; i++)
        names[count++] = base_names[i];
    for (size_t i = 0; libraries[i]; i++)
        names[count++] = libraries[i];
    for (size_t i = 0; i < G_N_ELEMENTS(value_names); i++)
        names[count++] = value_names[i];
    for (size_t i = 0; bind_tables[i]; i++) {
        const struct bind_table *table = bind_tables[i];
        if (table->kind == BIND_TABLE)
            names[count++] = table->name;
        for (const struct binding *binding = table->bindings; table->kind == BIND_GLOBALS && binding->name; binding++)
            names[count++] = binding->name;
        g_assert(count + 40 < G_N_ELEMENTS(names));
    }
    g_once_init_leave(&ready, 1);
    return names;
}

const char *const *lua_module_names(void)
{
    static char *names[32];
    static gsize ready;
    if (!g_once_init_enter(&ready))
        return (const char *const *)names;
    size_t count = 0;
    for (const struct embedded_file *file = lua_std_files; file->path; file++) {
        if (!g_str_has_prefix(file->path, "std/" LUA_MODULE_PREFIX "/"))
            continue;
        g_assert(count + 1 < G_N_ELEMENTS(names));
        const char *start = file->path + strlen("std/");
        names[count++] = g_strdelimit(g_strndup(start, strlen(start) - strlen(".lua")), "/", '.');
    }
    g_once_init_leave(&ready, 1);
    return (const char *const *)names;
}
