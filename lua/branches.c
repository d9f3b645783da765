#include "lua/branches.h"

#include "core/lua_branches.h"
#include "lua/script.h"

#include <lauxlib.h>
#include <string.h>

/* No step has this name by accident. */
#define FUNCTION "__hikeshi_branch"

/* __hikeshi_branch(number, value) → value */
static int branch(lua_State *L)
{
    GByteArray *branches = script_of(L)->branches;
    lua_Integer number = luaL_checkinteger(L, 1);
    lua_settop(L, 2);
    if (number >= 0 && number < branches->len)
        branches->data[number] |= lua_toboolean(L, 2) ? LUA_BRANCH_TRUE : LUA_BRANCH_FALSE;
    return 1;
}

void branches_open(lua_State *L, struct script *script)
{
    struct work *work = script->work;
    json_t *list = lua_branches_list(work->text, work->line);
    guint count = (guint)json_array_size(list);
    json_decref(list);
    if (count == 0)
        return;
    char *wrapped = lua_branches_wrap(work->text, FUNCTION);
    g_free(work->text);
    work->text = wrapped;
    work->length = strlen(wrapped);
    script->branches = g_byte_array_new();
    g_byte_array_set_size(script->branches, count);
    memset(script->branches->data, 0, count);
    lua_pushcfunction(L, branch);
    lua_setglobal(L, FUNCTION);
}

json_t *branches_take(struct script *script)
{
    if (!script->branches)
        return NULL;
    json_t *list = json_array();
    for (guint i = 0; i < script->branches->len; i++)
        json_array_append_new(list, json_integer(script->branches->data[i]));
    g_byte_array_unref(script->branches);
    script->branches = NULL;
    return list;
}
