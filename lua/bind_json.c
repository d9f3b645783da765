/* bind_json: JSON text. An empty table is []; json.object{} is {}; json.null is null. */
#include "core/limits.h"
#include "lua/bind.h"
#include "lua/options.h"
#include "lua/raise.h"
#include "lua/value.h"

#include <lauxlib.h>
#include <string.h>

/* @class EncodeOptions
 * @field pretty? boolean `true`: indented */

static const struct option options[] = {{.name = "pretty", .kind = OPTION_BOOL}, {.name = NULL}};

/* json.encode(value [, opts]) → text
 * Tables with the keys 1, 2, 3, … become lists, and so do empty ones; keys are sorted. Raises for what is not JSON,
 * naming its path.
 * @param value any
 * @param opts? EncodeOptions
 * @return string text
 * @raise misuse
 * @example
 *     log(json.encode({used = 91, hosts = {"db-1"}}, {pretty = true})) */
static int encode(lua_State *L)
{
    lua_settop(L, 2);
    json_t **choice = value_box(L); /* 3 */
    *choice = json_object();
    options_read(L, 2, options, "json.encode", *choice);
    json_t **box = value_box(L); /* 4 */
    struct value_problem problem;
    *box = value_to_json(L, 1, "value", VALUE_BYTES_REFUSED, &problem);
    if (!*box)
        return raise_misuse(L, "json.encode: %s", problem.text);
    char *text = json_get_bool(*choice, "pretty", false) ? json_text_pretty(*box) : json_text(*box);
    json_decref(*box);
    *box = json_string(text); /* so that the text is owned while Lua copies it */
    g_free(text);
    lua_pushlstring(L, json_string_value(*box), json_string_length(*box));
    return 1;
}

/* json.decode(text) → value
 * `null` becomes `json.null`, which is not `nil`. An empty object stays one. Raises with line and column. At most 8 MiB
 * and 500,000 values at once.
 * @param text string
 * @return any value
 * @raise misuse (the text is not JSON, with line and column)
 * @example
 *     local pods = json.decode('{"items": []}').items */
static int decode(lua_State *L)
{
    size_t length;
    if (lua_type(L, 1) != LUA_TSTRING)
        return raise_misuse(L, "json.decode needs a text, not %s", luaL_typename(L, 1));
    const char *text = lua_tolstring(L, 1, &length);
    if (length > LIMIT_LUA_JSON_BYTES)
        return raise_misuse(L, "json.decode reads at most %d MiB at once", LIMIT_LUA_JSON_MIB);
    if (json_values(text, length) > LIMIT_LUA_JSON_VALUES)
        return raise_misuse(L, "json.decode reads at most %d values at once", LIMIT_LUA_JSON_VALUES);
    json_t **box = value_box(L);
    GError *error = NULL;
    *box = json_parse(text, length, "json.decode", &error);
    if (!*box) {
        char message[400];
        g_strlcpy(message, error->message, sizeof message);
        g_error_free(error);
        char *quoted = strstr(message, " near '"); /* a piece of the text, which may be a piece of a secret */
        if (quoted)
            *quoted = '\0';
        return raise_misuse(L, "%s", message);
    }
    value_push(L, *box, VALUE_NULL_AS_NULL);
    return 1;
}

static int mark(lua_State *L, bool object)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return raise_misuse(L, "this table cannot be marked");
    value_mark(L, object);
    return 1;
}

/* json.object([table]) → table
 * Marks the table as an object: `{}` when it is empty.
 * @param table? table
 * @return table table
 * @example
 *     log(json.encode({labels = json.object{}})) */
static int object(lua_State *L)
{
    return mark(L, true);
}

/* json.array([table]) → table
 * Marks the table as a list; `json.encode` raises when it is none.
 * @param table? table
 * @return table table
 * @example
 *     log(json.encode(json.array{})) */
static int array(lua_State *L)
{
    return mark(L, false);
}

static const struct binding bindings[] = {
    {"encode", encode}, {"decode", decode}, {"object", object}, {"array", array}, {NULL, NULL}};
const struct bind_table bind_json = {BIND_TABLE, "json", bindings};
