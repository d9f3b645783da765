#include "lua/value.h"

#include "core/limits.h"
#include "lua/view.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

static const char null_key, object_key, array_key, box_key;

/* json.null is a light userdata: scripts meet no other, so the type's one metatable can give it a name. */

static int null_tostring(lua_State *L)
{
    lua_pushliteral(L, "null");
    return 1;
}

void value_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&null_key);
    if (lua_getmetatable(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, null_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

bool value_is_null(lua_State *L, int index)
{
    return lua_touserdata(L, index) == (void *)&null_key;
}

void value_mark(lua_State *L, bool object)
{
    const char *key = object ? &object_key : &array_key;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 1);
        lua_pushstring(L, object ? "json.object" : "json.array");
        lua_setfield(L, -2, "__name");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, key);
    }
    lua_setmetatable(L, -2);
}

static bool marked(lua_State *L, int index, const char *key)
{
    if (!lua_getmetatable(L, index))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, key);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

/* Box */

static int box_gc(lua_State *L)
{
    json_t **box = lua_touserdata(L, 1);
    json_decref(*box);
    *box = NULL;
    return 0;
}

json_t **value_box(lua_State *L)
{
    json_t **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &box_key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, box_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &box_key);
    }
    lua_setmetatable(L, -2);
    return box;
}

/* JSON → Lua */

static void push_object(lua_State *L, const json_t *value, enum value_nulls nulls)
{
    const char *key;
    json_t *member;
    lua_createtable(L, 0, (int)json_object_size(value));
    json_object_foreach ((json_t *)value, key, member) {
        if (json_is_null(member) && nulls == VALUE_NULL_AS_NIL)
            continue;
        lua_pushstring(L, key);
        value_push(L, member, nulls);
        lua_rawset(L, -3);
    }
    if (json_object_size(value) == 0)
        value_mark(L, true); /* so that {} goes back as {} */
}

static void push_array(lua_State *L, const json_t *value)
{
    size_t i;
    json_t *item;
    lua_createtable(L, (int)json_array_size(value), 0);
    json_array_foreach (value, i, item) {
        value_push(L, item, VALUE_NULL_AS_NULL); /* nil would be a hole */
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

void value_push(lua_State *L, const json_t *value, enum value_nulls nulls)
{
    luaL_checkstack(L, 4, "JSON is nested too deeply");
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT:
        push_object(L, value, nulls);
        break;
    case JSON_ARRAY:
        push_array(L, value);
        break;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(value));
        break;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, json_is_true(value));
        break;
    case JSON_NULL:
        if (nulls == VALUE_NULL_AS_NIL)
            lua_pushnil(L);
        else
            value_push_null(L);
        break;
    }
}

/* Lua → JSON: a walk that uses only calls that neither raise nor allocate in Lua, so plain pointers are safe. */

struct walk {
    lua_State *L;
    enum value_bytes bytes;
    GString *path;
    int depth;
    size_t bytes_left; /* of LIMIT_LUA_JSON_BYTES */
    struct value_problem *problem;
};

static json_t *convert(struct walk *walk, int index);

/* What one value costs beside its text. */
#define VALUE_BYTES 8
#define TOO_MUCH    "more than " G_STRINGIFY(LIMIT_LUA_JSON_MIB) " MiB at once are not made into JSON"

static json_t *refuse(struct walk *walk, const char *why)
{
    g_snprintf(walk->problem->text, sizeof walk->problem->text, "%.200s: %s", walk->path->str, why);
    return NULL;
}

/* The walk is one C call and its JSON is not in Lua's memory: both need a bound. */
static bool spend(struct walk *walk, size_t bytes)
{
    bool enough = walk->bytes_left >= bytes;
    walk->bytes_left -= enough ? bytes : walk->bytes_left;
    return enough;
}

static json_t *convert_string(struct walk *walk, int index)
{
    size_t length;
    const char *bytes = lua_tolstring(walk->L, index, &length);
    if (!spend(walk, length))
        return refuse(walk, TOO_MUCH);
    if (walk->bytes == VALUE_BYTES_KEPT)
        return json_stringn_nocheck(bytes, length);
    if (walk->bytes == VALUE_BYTES_AS_TEXT)
        return json_text_value(bytes, length);
    json_t *text = json_stringn(bytes, length);
    return text ? text : refuse(walk, "text that is not UTF-8 is not JSON; base64.encode() keeps bytes");
}

static json_t *convert_number(struct walk *walk, int index)
{
    if (lua_isinteger(walk->L, index))
        return json_integer(lua_tointeger(walk->L, index));
    double number = lua_tonumber(walk->L, index);
    return isfinite(number) ? json_real(number) : refuse(walk, "a number that is not finite is not JSON");
}

/* True when the table's keys are exactly 1..n, with n in *ret_length. *ret_empty: no key at all. */
static bool is_list(lua_State *L, int index, lua_Integer *ret_length, bool *ret_empty)
{
    lua_Integer count = 0, highest = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1) {
            lua_pop(L, 1);
            *ret_empty = false;
            return false;
        }
        count++;
        highest = MAX(highest, lua_tointeger(L, -1));
    }
    *ret_empty = count == 0;
    *ret_length = count;
    return highest == count;
}

static json_t *convert_list(struct walk *walk, int index, lua_Integer length)
{
    json_t *list = json_array();
    for (lua_Integer i = 1; i <= length; i++) {
        size_t mark = walk->path->len;
        g_string_append_printf(walk->path, "[%" G_GINT64_FORMAT "]", (gint64)i);
        lua_rawgeti(walk->L, index, i);
        json_t *item = convert(walk, lua_gettop(walk->L));
        lua_pop(walk->L, 1);
        if (!item) {
            json_decref(list);
            return NULL;
        }
        g_string_truncate(walk->path, mark);
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *convert_member(struct walk *walk, json_t *object)
{
    lua_State *L = walk->L; /* key, value on top */
    if (lua_type(L, -2) != LUA_TSTRING)
        return refuse(walk, "a table with keys that are neither all names nor 1, 2, 3, … without a gap is not JSON");
    size_t length;
    const char *key = lua_tolstring(L, -2, &length);
    if (strlen(key) != length || !g_utf8_validate(key, (gssize)length, NULL))
        return refuse(walk, "a key that is not text is not JSON");
    size_t mark = walk->path->len;
    g_string_append_printf(walk->path, ".%.60s", key);
    json_t *value = convert(walk, lua_gettop(L));
    if (!value)
        return NULL;
    g_string_truncate(walk->path, mark);
    json_object_set_new(object, key, value);
    return object;
}

static json_t *convert_object(struct walk *walk, int index)
{
    json_t *object = json_object();
    lua_pushnil(walk->L);
    while (lua_next(walk->L, index)) {
        if (!convert_member(walk, object)) {
            lua_pop(walk->L, 2);
            json_decref(object);
            return NULL;
        }
        lua_pop(walk->L, 1);
    }
    return object;
}

/* Spends what a copy of an engine's value takes. Its size is somebody else's choice: an alert's labels, a host's
 * output. */
static bool spend_copy(struct walk *walk, const json_t *value)
{
    size_t i;
    const char *key;
    json_t *item;
    if (!spend(walk, VALUE_BYTES + json_string_length(value)))
        return false;
    json_array_foreach (value, i, item)
        if (!spend_copy(walk, item))
            return false;
    json_object_foreach ((json_t *)value, key, item)
        if (!spend(walk, strlen(key)) || !spend_copy(walk, item))
            return false;
    return true;
}

static json_t *convert_table(struct walk *walk, int index)
{
    const json_t *seen = view_json(walk->L, index);
    if (seen)
        return spend_copy(walk, seen) ? json_deep_copy(seen) : refuse(walk, TOO_MUCH);
    if (walk->depth >= LIMIT_JSON_DEPTH || !lua_checkstack(walk->L, 6))
        return refuse(walk, "nested too deeply, or in a circle");
    lua_Integer length;
    bool empty;
    walk->depth++;
    bool list = is_list(walk->L, index, &length, &empty);
    if (marked(walk->L, index, &object_key) && (empty || !list))
        list = false;
    else if (!list && marked(walk->L, index, &array_key))
        return refuse(walk, "json.array was given a table that is not a list");
    json_t *json = list ? convert_list(walk, index, length) : convert_object(walk, index);
    walk->depth--;
    return json;
}

static json_t *convert(struct walk *walk, int index)
{
    if (!spend(walk, VALUE_BYTES))
        return refuse(walk, TOO_MUCH);
    switch (lua_type(walk->L, index)) {
    case LUA_TNIL:
        return json_null();
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(walk->L, index));
    case LUA_TNUMBER:
        return convert_number(walk, index);
    case LUA_TSTRING:
        return convert_string(walk, index);
    case LUA_TTABLE:
        return convert_table(walk, index);
    case LUA_TFUNCTION:
        return refuse(walk, "a function is not JSON");
    default:
        return value_is_null(walk->L, index) ? json_null() : refuse(walk, "an object is not JSON");
    }
}

json_t *value_to_json(lua_State *L, int index, const char *name, enum value_bytes bytes, struct value_problem *problem)
{
    struct walk walk = {
        .L = L, .bytes_left = LIMIT_LUA_JSON_BYTES, .bytes = bytes, .path = g_string_new(name), .problem = problem};
    index = lua_absindex(L, index);
    json_t *json = lua_checkstack(L, 6) ? convert(&walk, index) : refuse(&walk, "no stack left");
    g_string_free(walk.path, TRUE);
    return json;
}
