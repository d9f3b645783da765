/* keep: what `data` may hold and how much of it. */
#ifndef LUA_KEEP_H
#define LUA_KEEP_H

#include "core/json.h"
#include <lua.h>

struct keep_problem {
    int code; /* ERROR_TOO_LARGE or ERROR_INVALID */
    char text[360];
};
/* The value at `index` as the JSON object to keep, or NULL with the problem: not a table, not JSON (named by path), or
 * more than LIMIT_DATA_BYTES as text. Never raises. */
json_t *keep_data(lua_State *L, int index, struct keep_problem *problem);

#endif
