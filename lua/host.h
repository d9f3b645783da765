/* host: names of hosts as scripts write them, resolved against the run's inventory. */
#ifndef LUA_HOST_H
#define LUA_HOST_H

#include "core/json.h"
#include <lua.h>

/* The inventory name of the host at `index`: a name, an alias, an address, or an object of hosts(). Raises
 * not_in_inventory, with the nearest name, and not_allowed. Borrowed from the facts or the stack. */
const char *host_check(lua_State *L, int index, const char *function);

#endif
