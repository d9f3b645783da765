#include "lua/raise.h"

#include "core/errors.h"
#include "core/finding.h"
#include "lua/script.h"
#include "lua/value.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* Longer messages are cut: they go into a fixed buffer because nothing on the heap may be alive when Lua raises. */
#define MESSAGE_BYTES 2048

/* @class Error
 * What a failed call raises: a table; `tostring` of it is the message. Misuse of a function raises plain text instead.
 * @field code string
 * @field message string
 * @field host? string
 * @field result? any what the command or call gave all the same
 * @field file? string the runbook or module, and the line there
 * @field line? integer */

static const char metatable_key;

static void set_text(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static int error_tostring(lua_State *L)
{
    lua_getfield(L, 1, "message");
    luaL_tolstring(L, -1, NULL);
    return 1;
}

/* "could not: " .. e works as people expect. */
static int error_concat(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

static void set_metatable(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 4);
        lua_pushcfunction(L, error_tostring);
        lua_setfield(L, -2, "__tostring");
        lua_pushcfunction(L, error_concat);
        lua_setfield(L, -2, "__concat");
        set_text(L, "__name", "error");
        set_text(L, "__metatable", "protected");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
    }
    lua_setmetatable(L, -2);
}

static void push_plain(lua_State *L, int code, const char *host, const char *message)
{
    lua_createtable(L, 0, 6);
    set_text(L, "code", errors_code(code));
    set_text(L, "message", message);
    if (host)
        set_text(L, "host", host);
    set_metatable(L);
}

void raise_push(lua_State *L, int code, const char *host, const char *message)
{
    push_plain(L, code, host, message);
    lua_Debug info;
    struct place place;
    if (script_place(L, &info, &place)) {
        set_text(L, "file", place.file);
        lua_pushinteger(L, place.line);
        lua_setfield(L, -2, "line");
    }
}

int raise_error(lua_State *L, int code, const char *host, const json_t *result, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);

    raise_push(L, code, host, message);
    if (result) {
        value_push(L, result, VALUE_NULL_AS_NIL);
        lua_setfield(L, -2, "result");
    }
    return lua_error(L);
}

int raise_misuse(lua_State *L, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);

    lua_Debug info;
    struct place place;
    if (script_place(L, &info, &place))
        lua_pushfstring(L, "%s:%d: %s", place.file, place.line, message);
    else
        lua_pushstring(L, message);
    return lua_error(L);
}

int raise_unknown(lua_State *L, const char *what, const char *word, const char *where, const char *const *candidates)
{
    const char *nearest = finding_nearest(word, candidates);
    if (nearest)
        return raise_misuse(L, "unknown %s '%.100s'%s%s; did you mean '%s'?", what, word, *where ? " of " : "", where,
                            nearest);
    return raise_misuse(L, "unknown %s '%.100s'%s%s", what, word, *where ? " of " : "", where);
}

void raise_memory_message(const struct script *script, char message[RAISE_MEMORY_BYTES])
{
    g_snprintf(message, RAISE_MEMORY_BYTES, "the step needs more than its %zu MiB of memory",
               script->facts->memory_limit >> 20);
}

void raise_push_memory(lua_State *L)
{
    char message[RAISE_MEMORY_BYTES];
    raise_memory_message(script_of(L), message);
    push_plain(L, ERROR_MEMORY, NULL, message);
}

/* Describing: first everything that can raise, leaving texts on the stack; then JSON. */

static void push_field(lua_State *L, const char *key, int type)
{
    lua_pushstring(L, key);
    lua_rawget(L, 1);
    if (lua_type(L, -1) != type) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

static void set_from_stack(lua_State *L, int index, json_t *error, const char *key)
{
    size_t length;
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &length) : NULL;
    if (text)
        json_object_set_new(error, key, json_text_value(text, length));
}

enum { CODE = 2, MESSAGE, HOST, FILE_NAME, LINE, RESULT };

static int describe_table(lua_State *L)
{
    push_field(L, "code", LUA_TSTRING);
    push_field(L, "message", LUA_TSTRING);
    push_field(L, "host", LUA_TSTRING);
    push_field(L, "file", LUA_TSTRING);
    push_field(L, "line", LUA_TNUMBER);
    push_field(L, "result", LUA_TTABLE);
    if (lua_isnil(L, MESSAGE)) {
        luaL_tolstring(L, 1, NULL);
        lua_replace(L, MESSAGE);
    }
    const char *code = lua_isnil(L, CODE) ? "" : lua_tostring(L, CODE);
    int known = errors_from_code(code);
    json_t *error = json_object();
    json_set_string(error, "code", errors_code(known == ERROR_INTERNAL ? ERROR_LUA : known));
    set_from_stack(L, MESSAGE, error, "message");
    set_from_stack(L, HOST, error, "host");
    set_from_stack(L, FILE_NAME, error, "file");
    if (lua_isinteger(L, LINE))
        json_object_set_new(error, "line", json_integer(lua_tointeger(L, LINE)));
    struct value_problem problem;
    json_t *result = lua_isnil(L, RESULT) ? NULL : value_to_json(L, RESULT, "result", VALUE_BYTES_AS_TEXT, &problem);
    if (result)
        json_object_set_new(error, "result", result);
    script_of(L)->described = error;
    return 0;
}

int raise_describe(lua_State *L)
{
    struct script *script = script_of(L);
    lua_settop(L, 1);
    if (lua_type(L, 1) == LUA_TTABLE)
        return describe_table(L);
    luaL_tolstring(L, 1, NULL);
    json_t *error = json_object();
    json_set_string(error, "code", errors_code(ERROR_LUA));
    set_from_stack(L, -1, error, "message");
    script->described = error;
    return 0;
}
