/* bind_string: Lua's string functions that could keep a C call busy for ever. */
#include "core/errors.h"
#include "lua/bind.h"
#include "lua/raise.h"
#include "lua/script.h"

#include <lauxlib.h>
#include <string.h>

/* string.rep(text, count [, separator]) → text
 * As in Lua; a result that cannot fit into the step's memory raises at once. */
static int rep(lua_State *L)
{
    size_t length, separator_length;
    const char *text = luaL_checklstring(L, 1, &length);
    lua_Integer count = luaL_checkinteger(L, 2);
    const char *separator = luaL_optlstring(L, 3, "", &separator_length);
    size_t piece = length + separator_length;
    if (count <= 0 || piece == 0) { /* 10^18 times nothing is nothing, without counting */
        lua_pushliteral(L, "");
        return 1;
    }
    if ((size_t)count > script_of(L)->facts->memory_limit / piece + 1) {
        raise_push_memory(L);
        return lua_error(L);
    }
    luaL_Buffer buffer;
    size_t total = (size_t)count * length + (size_t)(count - 1) * separator_length;
    char *out = luaL_buffinitsize(L, &buffer, total);
    char *at = out;
    for (lua_Integer i = 0; i < count; i++) {
        memcpy(at, text, length);
        at += length;
        if (i + 1 < count && separator_length > 0) {
            memcpy(at, separator, separator_length);
            at += separator_length;
        }
    }
    luaL_pushresultsize(&buffer, total);
    return 1;
}

static const struct binding bindings[] = {{"rep", rep}, {NULL, NULL}};
const struct bind_table bind_string = {BIND_REPLACE, "string", bindings};
