#include "lua/view.h"

#include "lua/raise.h"
#include "lua/value.h"

#include <lauxlib.h>

/* A view is an empty table: [&json_key] is its JSON, [&content_key] its members once they were looked at, [&name_key]
 * its name. Scripts cannot make these keys: they get no light userdata but json.null. */
static const char json_key, content_key, name_key, metatable_keys[VIEW_KINDS];

const json_t *view_json(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TTABLE)
        return NULL;
    lua_rawgetp(L, index, &json_key);
    const json_t *json = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return json;
}

static const char *view_name(lua_State *L, int index)
{
    lua_rawgetp(L, index, &name_key);
    const char *name = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return name ? name : "";
}

static void push_member(lua_State *L, const char *name, const json_t *value)
{
    if (json_is_object(value) || json_is_array(value))
        view_push(L, VIEW_PLAIN, name, value);
    else
        value_push(L, value, VALUE_NULL_AS_NULL);
}

static void fill(lua_State *L, const char *name, const json_t *json)
{
    const char *key;
    json_t *value;
    size_t i;
    lua_createtable(L, (int)json_array_size(json), (int)json_object_size(json));
    json_object_foreach ((json_t *)json, key, value) {
        if (json_is_null(value))
            continue;
        lua_pushstring(L, key);
        push_member(L, name, value);
        lua_rawset(L, -3);
    }
    json_array_foreach (json, i, value) {
        push_member(L, name, value);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* Pushes the members of the view at 1. */
static const json_t *push_content(lua_State *L)
{
    const json_t *json = view_json(L, 1);
    luaL_argcheck(L, json != NULL, 1, "read-only table expected");
    if (lua_rawgetp(L, 1, &content_key) == LUA_TNIL) {
        lua_pop(L, 1);
        fill(L, view_name(L, 1), json);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, 1, &content_key);
    }
    return json;
}

static int view_index(lua_State *L)
{
    push_content(L);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static void unknown_param(lua_State *L, const json_t *params, const char *word)
{
    const char *names[256]; /* on the C stack: nothing to free when it raises */
    size_t count = 0;
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)params, key, value) {
        if (count < G_N_ELEMENTS(names) - 1)
            names[count++] = key;
    }
    names[count] = NULL;
    raise_unknown(L, "param", word, "", names);
}

static int params_index(lua_State *L)
{
    const json_t *params = push_content(L);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        const char *word = luaL_tolstring(L, 2, NULL);
        if (lua_type(L, 2) != LUA_TSTRING || !json_object_get(params, word))
            unknown_param(L, params, word);
        lua_pop(L, 1); /* declared, without a value: nil */
    }
    return 1;
}

static int view_newindex(lua_State *L)
{
    return raise_misuse(L, "%s is read-only; keep values in data", view_name(L, 1));
}

static int view_len(lua_State *L)
{
    push_content(L);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
    return 1;
}

int view_next(lua_State *L)
{
    lua_settop(L, 2);
    push_content(L);
    lua_insert(L, 2);
    if (lua_next(L, 2))
        return 2;
    lua_pushnil(L);
    return 1;
}

static int view_pairs(lua_State *L)
{
    lua_pushcfunction(L, view_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int host_tostring(lua_State *L)
{
    lua_settop(L, 1);
    push_content(L);
    lua_getfield(L, -1, "name");
    luaL_tolstring(L, -1, NULL);
    return 1;
}

static void push_metatable(lua_State *L, enum view_kind kind)
{
    static const luaL_Reg methods[] = {
        {"__index", view_index},
        {"__newindex", view_newindex},
        {"__len", view_len},
        {"__pairs", view_pairs},
        {NULL, NULL},
    };
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_keys[kind]) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    luaL_newlib(L, methods);
    if (kind == VIEW_PARAMS) {
        lua_pushcfunction(L, params_index);
        lua_setfield(L, -2, "__index");
    } else if (kind == VIEW_HOST) {
        lua_pushcfunction(L, host_tostring);
        lua_setfield(L, -2, "__tostring");
    }
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_keys[kind]);
}

void view_push(lua_State *L, enum view_kind kind, const char *name, const json_t *json)
{
    luaL_checkstack(L, 6, NULL);
    lua_createtable(L, 0, 4);
    lua_pushlightuserdata(L, (void *)json);
    lua_rawsetp(L, -2, &json_key);
    lua_pushlightuserdata(L, (void *)name);
    lua_rawsetp(L, -2, &name_key);
    push_metatable(L, kind);
    lua_setmetatable(L, -2);
}
