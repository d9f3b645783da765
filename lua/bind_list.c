/* bind_list: Lua's table functions behind a guard.
 *
 * They are C loops over a length that a script may invent (__len, sparse tables, table.move's range) and cannot be
 * interrupted, so the length is bounded here, and tables with metamethods that would run inside are refused. */
#include "core/limits.h"
#include "lua/bind.h"
#include "lua/raise.h"
#include "lua/view.h"

#include <lauxlib.h>

static bool has_metafield(lua_State *L, int index, const char *key)
{
    if (luaL_getmetafield(L, index, key) == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

static void check_list(lua_State *L, int index, const char *function)
{
    luaL_checktype(L, index, LUA_TTABLE);
    if (view_json(L, index))
        return; /* its length is real */
    if (has_metafield(L, index, "__len") || has_metafield(L, index, "__newindex"))
        raise_misuse(L, "%s takes no table with __len or __newindex", function);
    if (lua_rawlen(L, index) > LIMIT_LUA_LIST_ITEMS)
        raise_misuse(L, "%s takes at most %d items", function, LIMIT_LUA_LIST_ITEMS);
}

static void check_range(lua_State *L, lua_Integer from, lua_Integer to, const char *function)
{
    if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= LIMIT_LUA_LIST_ITEMS)
        raise_misuse(L, "%s takes a range of at most %d items", function, LIMIT_LUA_LIST_ITEMS);
}

/* Calls Lua's own function, kept under the same name in the registry, with all arguments. */
static int call_original(lua_State *L, const char *name)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "hikeshi.table");
    lua_getfield(L, -1, name);
    lua_insert(L, 1);
    lua_pop(L, 2);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* table.insert(list, [position,] value)
 * Lists of up to a million items; tables with `__len` or `__newindex` are refused. That holds for all five functions
 * here.
 * @param list table
 * @param position integer
 * @param value any
 * @overload fun(list: table, value: any)
 * @raise misuse
 * @example
 *     local busy = {}
 *     table.insert(busy, "db-1") */
static int insert(lua_State *L)
{
    check_list(L, 1, "table.insert");
    return call_original(L, "insert");
}

/* table.remove(list [, position]) → value
 * As in Lua.
 * @param list table
 * @param position? integer
 * @return any value
 * @raise misuse
 * @example
 *     local last = table.remove({"db-1", "db-2"}) */
static int list_remove(lua_State *L)
{
    check_list(L, 1, "table.remove");
    return call_original(L, "remove");
}

/* table.concat(list [, separator [, from [, to]]]) → text
 * As in Lua.
 * @param list (string|number)[]
 * @param separator? string
 * @param from? integer
 * @param to? integer
 * @return string text
 * @raise misuse
 * @example
 *     log(table.concat({"db-1", "db-2"}, ", ")) */
static int concat(lua_State *L)
{
    check_list(L, 1, "table.concat");
    check_range(L, luaL_optinteger(L, 3, 1), luaL_optinteger(L, 4, 0), "table.concat");
    return call_original(L, "concat");
}

/* table.sort(list [, less])
 * As in Lua.
 * @param list table
 * @param less? fun(a: any, b: any): boolean
 * @raise misuse
 * @example
 *     local hosts_by_name = hosts()
 *     table.sort(hosts_by_name, function(a, b) return a.name > b.name end) */
static int sort(lua_State *L)
{
    check_list(L, 1, "table.sort");
    return call_original(L, "sort");
}

/* table.move(list, from, to, target [, other]) → list
 * As in Lua.
 * @param list table
 * @param from integer
 * @param to integer
 * @param target integer
 * @param other? table
 * @return table list
 * @raise misuse
 * @example
 *     local first_two = table.move({"a", "b", "c"}, 1, 2, 1, {}) */
static int move(lua_State *L)
{
    check_list(L, 1, "table.move");
    if (!lua_isnoneornil(L, 5))
        check_list(L, 5, "table.move");
    check_range(L, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), "table.move");
    return call_original(L, "move");
}

static const struct binding bindings[] = {
    {"insert", insert}, {"remove", list_remove}, {"concat", concat}, {"sort", sort}, {"move", move}, {NULL, NULL},
};
const struct bind_table bind_list = {BIND_REPLACE, "table", bindings};
