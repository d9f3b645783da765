/* call: how a binding asks the runner for something: the task is suspended until the loop has done it.
 *
 * Where Lua cannot yield (a comparator of table.sort, a callback of gsub, some metamethods) the whole thread waits
 * instead: the run's other tasks stand still for that time, the loop does not. */
#ifndef LUA_CALL_H
#define LUA_CALL_H

#include "core/json.h"
#include <glib.h>
#include <lua.h>

/* Starts `service` (static text, lua/services.def) with `args`, which is taken, and continues in `k` with `context`;
 * use as `return call_service(…)`. Raises in a `when` expression. */
int call_service(lua_State *L, const char *service, json_t *args, lua_KContext context, lua_KFunction k);

/* In k: what the call ended with; borrowed until the task's next call. The error is NULL on success. */
const GError *call_error(lua_State *L);
json_t *call_result(lua_State *L);
const char *call_host(lua_State *L);

/* From the engine: a log line that nobody waits for. */
struct script;
void call_log_unasked(struct script *script, const char *text);

/* The usual k: raises the error, else returns nothing. */
int call_finish(lua_State *L, int status, lua_KContext context);

#endif
