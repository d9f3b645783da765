/* bind_hosts: the inventory as scripts see it: name, address and labels of the hosts that the run may touch. */
#include "core/hostfilter.h"
#include "lua/bind.h"
#include "lua/host.h"
#include "lua/raise.h"
#include "lua/script.h"
#include "lua/value.h"
#include "lua/view.h"

#include <lauxlib.h>
#include <string.h>

/* @class Host
 * A host of the inventory; its text is its name.
 * @field name string
 * @field address string
 * @field labels table<string, string> */

static void push_host(lua_State *L, const json_t *host)
{
    view_push(L, VIEW_HOST, "a host", host);
}

/* True when the text or number at the top of the stack is the label's value. */
static bool is_value(lua_State *L, const char *label)
{
    if (!lua_isstring(L, -1))
        raise_misuse(L, "hosts{...} needs a text or a list of texts for each label");
    lua_pushvalue(L, -1);
    bool same = label && strcmp(lua_tostring(L, -1), label) == 0;
    lua_pop(L, 1);
    return same;
}

/* The wanted value, or list of values, is at the top of the stack. */
static bool label_matches(lua_State *L, const char *label)
{
    if (lua_type(L, -1) != LUA_TTABLE)
        return is_value(L, label);
    bool any = false;
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count && !any; i++) {
        lua_rawgeti(L, -1, i);
        any = is_value(L, label);
        lua_pop(L, 1);
    }
    return any;
}

/* {role = "web", env = {"prod", "stage"}} at index 1 against one host. */
static bool table_matches(lua_State *L, const char *name, const json_t *host)
{
    bool all = true;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            raise_misuse(L, "hosts{...} takes labels by name, as in hosts{role = \"web\"}");
        const char *key = lua_tostring(L, -2);
        const char *label =
            strcmp(key, "name") == 0 ? name : json_get_string(json_object_get(host, "labels"), key, NULL);
        all = label_matches(L, label) && all;
        lua_pop(L, 1);
    }
    return all;
}

static int filter_gc(lua_State *L)
{
    struct hostfilter **filter = lua_touserdata(L, 1);
    g_clear_pointer(filter, hostfilter_free);
    return 0;
}

/* Pushes a userdata that owns the parsed filter at index 1. */
static struct hostfilter *push_filter(lua_State *L)
{
    struct hostfilter **filter = lua_newuserdatauv(L, sizeof *filter, 0);
    *filter = NULL;
    if (luaL_newmetatable(L, "hostfilter")) {
        lua_pushcfunction(L, filter_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    GError *error = NULL;
    *filter = hostfilter_parse(lua_tostring(L, 1), &error);
    if (!*filter) {
        lua_pushstring(L, error->message);
        g_error_free(error);
        raise_misuse(L, "%s", lua_tostring(L, -1));
    }
    return *filter;
}

/* hosts([filter | table]) → list
 * The hosts of the inventory that this runbook may touch, in order of their names: all, those that a filter selects,
 * or those whose labels are the table's. Its values are texts or lists of texts; `name` is a label too. In a filter's
 * text `$params.x` is bound as one value.
 * @param filter? string|table<string, string|string[]>
 * @return Host[] list
 * @raise misuse
 * @example
 *     local web = hosts{role = "web", env = {"prod", "stage"}}
 *     local db = hosts("role=db & env in (prod, stage)") */
static int hosts(lua_State *L)
{
    const struct facts *facts = script_of(L)->facts;
    lua_settop(L, 1);
    int type = lua_type(L, 1);
    if (type != LUA_TNIL && type != LUA_TSTRING && type != LUA_TTABLE)
        raise_misuse(L, "hosts needs a filter text, or a table of labels");
    const struct hostfilter *filter = type == LUA_TSTRING ? push_filter(L) : NULL;
    lua_newtable(L);
    lua_Integer count = 0;
    const char *name;
    json_t *host;
    json_object_foreach (facts->hosts, name, host) {
        if (filter && !hostfilter_matches(filter, name, json_object_get(host, "labels"), facts->params))
            continue;
        if (type == LUA_TTABLE && !table_matches(L, name, host))
            continue;
        push_host(L, host);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* host(name) → host
 * One host by name, alias or address.
 * @param name string|Host
 * @return Host host
 * @raise not_in_inventory, not_allowed
 * @example
 *     log(host(params.host).labels.role) */
static int host_by_name(lua_State *L)
{
    const struct facts *facts = script_of(L)->facts;
    lua_settop(L, 1);
    const char *name = host_check(L, 1, "host");
    const json_t *host = json_object_get(facts->hosts, name);
    if (!host)
        return raise_misuse(L, "host '%s' is only a jump host", name);
    push_host(L, host);
    return 1;
}

static const struct binding bindings[] = {{"hosts", hosts}, {"host", host_by_name}, {NULL, NULL}};
const struct bind_table bind_hosts = {BIND_GLOBALS, "", bindings};
