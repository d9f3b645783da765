#include "lua/options.h"

#include "core/clock.h"
#include "lua/raise.h"
#include "lua/value.h"

#include <lauxlib.h>
#include <string.h>

#define MAX_OPTIONS 32
#define MAX_SECONDS (366.0 * 24 * 3600)

static int wrong(lua_State *L, const char *function, const char *name, const char *expected)
{
    return raise_misuse(L, "option '%s' of %s must be %s", name, function, expected);
}

static const char *text_without_nul(lua_State *L, int index)
{
    size_t length;
    if (lua_type(L, index) != LUA_TSTRING)
        return NULL;
    const char *text = lua_tolstring(L, index, &length);
    return strlen(text) == length ? text : NULL;
}

int64_t options_duration_ms(lua_State *L, int index, const char *what)
{
    if (lua_type(L, index) == LUA_TNUMBER) {
        double seconds = lua_tonumber(L, index);
        if (seconds >= 0 && seconds <= MAX_SECONDS)
            return (int64_t)(seconds * 1000);
    }
    const char *text = text_without_nul(L, index);
    int64_t ms;
    if (text && clock_duration_parse(text, &ms, NULL))
        return ms;
    return raise_misuse(L, "%s must be seconds or text like \"30s\" or \"5m\"", what);
}

static void read_map(lua_State *L, int index, const char *function, const char *name, json_t *map)
{
    luaL_checkstack(L, 4, NULL);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        const char *key = text_without_nul(L, -2);
        lua_pushvalue(L, -1);
        if (lua_type(L, -1) == LUA_TBOOLEAN) {
            lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false");
            lua_replace(L, -2);
        }
        if (!key || key[0] == '\0' || strchr(key, '=') || !lua_isstring(L, -1))
            wrong(L, function, name, "a table of names and texts");
        lua_tostring(L, -1); /* a number becomes text in this copy */
        if (!text_without_nul(L, -1))
            wrong(L, function, name, "a table of names and texts without NUL bytes");
        size_t length;
        const char *text = lua_tolstring(L, -1, &length);
        json_object_set_new_nocheck(map, key, json_stringn_nocheck(text, length));
        lua_pop(L, 2);
    }
}

static void read_user(lua_State *L, int index, const char *function, const struct option *option, json_t *into)
{
    if (lua_type(L, index) == LUA_TBOOLEAN) {
        if (lua_toboolean(L, index))
            json_object_set_new(into, option->key ? option->key : option->name, json_string("root"));
        return;
    }
    const char *user = text_without_nul(L, index);
    if (!user || !g_regex_match_simple("^[A-Za-z0-9_][A-Za-z0-9_.-]*\\$?$", user, G_REGEX_DOLLAR_ENDONLY, 0))
        wrong(L, function, option->name, "true or a user's name");
    json_object_set_new(into, option->key ? option->key : option->name, json_string(user));
}

static const char *read_choice(lua_State *L, int index, const char *function, const struct option *option)
{
    const char *text = text_without_nul(L, index);
    for (const char *const *choice = option->choices; text && *choice; choice++) {
        if (strcmp(text, *choice) == 0)
            return text;
    }
    char expected[120] = "one of";
    for (const char *const *choice = option->choices; *choice; choice++) {
        g_strlcat(expected, " ", sizeof expected);
        g_strlcat(expected, *choice, sizeof expected);
    }
    wrong(L, function, option->name, expected);
    return NULL;
}

static void read_count(lua_State *L, int index, const char *function, const struct option *option, json_t *into)
{
    int is_integer;
    lua_Integer count = lua_tointegerx(L, index, &is_integer);
    if (lua_type(L, index) != LUA_TNUMBER || !is_integer || count < 1 || count > option->max) {
        char expected[80];
        g_snprintf(expected, sizeof expected, "a whole number from 1 to %" G_GINT64_FORMAT, option->max);
        wrong(L, function, option->name, expected);
    }
    json_object_set_new(into, option->key ? option->key : option->name, json_integer(count));
}

/* One option; the value is at `index`. JSON is made last, when nothing can raise any more. */
static void read_one(lua_State *L, int index, const char *function, const struct option *option, json_t *into)
{
    const char *key = option->key ? option->key : option->name;
    char what[100];
    switch (option->kind) {
    case OPTION_BOOL:
        if (!lua_isboolean(L, index))
            wrong(L, function, option->name, "true or false");
        json_object_set_new(into, key, json_boolean(lua_toboolean(L, index)));
        break;
    case OPTION_BYTES:
    case OPTION_TEXT: {
        size_t length;
        if (lua_type(L, index) != LUA_TSTRING || (option->kind == OPTION_TEXT && !text_without_nul(L, index)))
            wrong(L, function, option->name, option->kind == OPTION_TEXT ? "text without NUL bytes" : "text");
        const char *text = lua_tolstring(L, index, &length);
        json_object_set_new(into, key, json_stringn_nocheck(text, length));
        break;
    }
    case OPTION_DURATION:
        g_snprintf(what, sizeof what, "option '%s' of %s", option->name, function);
        json_object_set_new(into, key, json_integer(options_duration_ms(L, index, what)));
        break;
    case OPTION_COUNT:
        read_count(L, index, function, option, into);
        break;
    case OPTION_MAP:
        if (lua_type(L, index) != LUA_TTABLE)
            wrong(L, function, option->name, "a table of names and texts");
        json_object_set_new(into, key, json_object());
        read_map(L, index, function, option->name, json_object_get(into, key));
        break;
    case OPTION_USER:
        read_user(L, index, function, option, into);
        break;
    case OPTION_JSON: {
        struct value_problem problem;
        json_t *value = value_to_json(L, index, option->name, VALUE_BYTES_REFUSED, &problem);
        if (!value)
            raise_misuse(L, "option '%s' of %s: %s", option->name, function, problem.text);
        json_object_set_new(into, key, value);
        break;
    }
    case OPTION_CHOICE:
        json_object_set_new(into, key, json_string(read_choice(L, index, function, option)));
        break;
    }
}

static const struct option *find(lua_State *L, const struct option *options, const char *name, const char *function)
{
    const char *names[MAX_OPTIONS + 1];
    size_t count = 0;
    for (const struct option *option = options; option->name; option++) {
        if (strcmp(option->name, name) == 0)
            return option;
        if (count < MAX_OPTIONS)
            names[count++] = option->name;
    }
    names[count] = NULL;
    raise_unknown(L, "option", name, function, names);
    return NULL;
}

void options_read(lua_State *L, int index, const struct option *options, const char *function, json_t *into)
{
    if (lua_isnoneornil(L, index))
        return;
    if (lua_type(L, index) != LUA_TTABLE)
        raise_misuse(L, "the options of %s must be a table like {timeout = \"30s\"}", function);
    luaL_checkstack(L, 4, NULL);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            raise_misuse(L, "the options of %s have names, as in {timeout = \"30s\"}", function);
        const struct option *option = find(L, options, lua_tostring(L, -2), function);
        read_one(L, lua_gettop(L), function, option, into);
        lua_pop(L, 1);
    }
}
