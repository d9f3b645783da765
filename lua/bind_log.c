/* bind_log: what a step says: the live log, notes on the incident, messages to channels. */
#include "lua/bind.h"
#include "lua/call.h"
#include "lua/raise.h"
#include "lua/value.h"

#include <lauxlib.h>
#include <string.h>

/* Pushes the value at `index` as people read it: text as it is, plain tables as JSON. */
static void push_text(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TTABLE || luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
        luaL_tolstring(L, index, NULL);
        return;
    }
    json_t **box = value_box(L);
    struct value_problem problem;
    *box = value_to_json(L, index, "value", VALUE_BYTES_AS_TEXT, &problem);
    if (*box) {
        json_t *json = *box;
        char *text = json_text(json);
        json_decref(json);
        *box = json_string(text); /* the box owns the text while Lua copies it */
        g_free(text);
        lua_pushlstring(L, json_string_value(*box), json_string_length(*box));
    } else {
        luaL_tolstring(L, index, NULL);
    }
    lua_remove(L, -2);
}

static int send_text(lua_State *L, const char *service)
{
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    json_t *args = json_object();
    json_object_set_new(args, "text", json_text_value(text, length));
    return call_service(L, service, args, 0, call_finish);
}

/* log(...)
 * One line of the live log: the values with a blank between them, plain tables as JSON.
 * @param ... any
 * @example
 *     log("found", 3, {path = "/var/log"}) */
static int log_values(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_Buffer buffer;
    for (int i = 1; i <= count; i++) {
        luaL_checkstack(L, 8, NULL);
        push_text(L, i);
        lua_replace(L, i);
    }
    luaL_buffinit(L, &buffer);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&buffer, ' ');
        lua_pushvalue(L, i);
        luaL_addvalue(&buffer);
    }
    luaL_pushresult(&buffer);
    return send_text(L, "log");
}

/* The name in "{name}" at `open`; its length, or 0 when it is no placeholder. */
static size_t placeholder(const char *open, const char *end)
{
    const char *at = open + 1;
    while (at < end && (g_ascii_isalnum(*at) || *at == '_'))
        at++;
    return at < end && *at == '}' ? (size_t)(at - open - 1) : 0;
}

/* Pushes the text of the place's value; the values are at `values`. `what` names the template in messages. */
static void push_placeholder(lua_State *L, const char *name, size_t length, int values, const char *what)
{
    lua_pushlstring(L, name, length);
    if (lua_type(L, values) != LUA_TTABLE)
        raise_misuse(L, "the %s has a place {%s} but no table of values", what, lua_tostring(L, -1));
    lua_pushvalue(L, -1);
    lua_gettable(L, values);
    if (lua_isnil(L, -1))
        raise_misuse(L, "the %s's values have no '%s'", what, lua_tostring(L, -2));
    push_text(L, lua_gettop(L));
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* Pushes the template at `template` with its places filled from the table behind it. */
static void push_filled(lua_State *L, int template, const char *what)
{
    size_t length;
    const char *at = luaL_checklstring(L, template, &length);
    const char *end = at + length;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    while (at < end) {
        size_t name_length;
        if (at[0] == '{' && at + 1 < end && at[1] == '{') {
            luaL_addchar(&buffer, '{');
            at += 2;
        } else if (at[0] == '{' && (name_length = placeholder(at, end)) > 0) {
            push_placeholder(L, at + 1, name_length, template + 1, what);
            luaL_addvalue(&buffer);
            at += name_length + 2;
        } else {
            luaL_addchar(&buffer, *at++);
        }
    }
    luaL_pushresult(&buffer);
}

/* note(template [, values])
 * A sentence on the incident. `{name}` is replaced by the value of that name, `{{` is a brace; values are escaped for
 * each channel that shows the note.
 * @param template string
 * @param values? table<string, string|number|boolean>
 * @raise misuse
 * @example
 *     note("freed {gb} GB on {host}", {gb = 12, host = params.host}) */
static int note(lua_State *L)
{
    lua_settop(L, 2);
    push_filled(L, 1, "note");
    return send_text(L, "note");
}

/* Adds the text of each value of the table at `index` to the object in the box at `box`. */
static void take_values(lua_State *L, int index, int box)
{
    json_t **slot = lua_touserdata(L, box);
    if (lua_isnil(L, index))
        return;
    luaL_checkstack(L, 8, NULL);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        size_t length;
        if (lua_type(L, -2) != LUA_TSTRING)
            raise_misuse(L, "notify's values have names, as in {host = params.host}");
        push_text(L, lua_gettop(L));
        const char *text = lua_tolstring(L, -1, &length);
        json_object_set_new(json_object_get(*slot, "values"), lua_tostring(L, -3), json_text_value(text, length));
        lua_pop(L, 2);
    }
}

/* notify(channel, template [, values])
 * A message to one of the server's [channels](configuration.md#webhooks-in-messages-out), once for each time that this
 * is called.
 * `{name}` and `{{` are as in `note`; a channel gets the template and the values apart, and escapes them as it must.
 * One that writes on incidents of PagerDuty needs a run that is for one.
 * @param channel string
 * @param template string
 * @param values? table<string, string|number|boolean>
 * @raise not_found (there is no such channel; the message names those that there are), unsupported (it cannot be used
 * by this run), too_large
 * @example
 *     notify("chat", "{host} has {free} GB left", {host = params.host, free = 3}) */
static int notify(lua_State *L)
{
    size_t length;
    lua_settop(L, 3);
    if (lua_type(L, 1) != LUA_TSTRING || lua_rawlen(L, 1) == 0 || lua_type(L, 2) != LUA_TSTRING)
        return raise_misuse(L, "notify needs the name of a channel and a text, as in notify(\"chat\", \"hello\")");
    if (!lua_isnil(L, 3) && lua_type(L, 3) != LUA_TTABLE)
        return raise_misuse(L, "the values of notify must be a table, not %s", luaL_typename(L, 3));
    json_t **box = value_box(L); /* 4 */
    *box = json_pack("{s:{}}", "values");
    take_values(L, 3, 4);
    push_filled(L, 2, "message"); /* 5 */
    static const struct {
        const char *key;
        int index;
    } texts[] = {{"channel", 1}, {"template", 2}, {"text", 5}};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        const char *text = lua_tolstring(L, texts[i].index, &length);
        json_object_set_new(*box, texts[i].key, json_text_value(text, length));
    }
    return call_service(L, "notify", g_steal_pointer(box), 0, call_finish);
}

static const struct binding bindings[] = {{"log", log_values}, {"note", note}, {"notify", notify}, {NULL, NULL}};
const struct bind_table bind_log = {BIND_GLOBALS, "", bindings};
