/* sandbox: the globals of a step: Lua's harmless functions, the bindings, and the run's values; nothing else.
 *
 * Absent on purpose: io, os, debug, package, coroutine, dofile, loadfile, collectgarbage, string.dump, bytecode, __gc.
 * A name that does not exist raises instead of being nil, because a step never shares globals with another one. */
#ifndef LUA_SANDBOX_H
#define LUA_SANDBOX_H

#include <lua.h>
#include <stdbool.h>

struct script;

void sandbox_open(lua_State *L, struct script *script);
/* Pushes the global `data` as the script left it; false (and nothing pushed) when it was never used. */
bool sandbox_push_data(lua_State *L);
/* Pushes what the standard library's module ("hikeshi.psql") returns, made anew; false (and nothing pushed) when there
 * is none of that name. */
bool sandbox_push_module(lua_State *L, const char *name);

/* defer: pushes functions onto a list; pops the newest, false when none is left. */
void sandbox_add_defer(lua_State *L, int index, unsigned *count);
bool sandbox_pop_defer(lua_State *L, unsigned *count);

#endif
