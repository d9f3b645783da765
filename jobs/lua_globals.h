/* lua_globals: the names that a Lua text uses and does not declare, by its blocks and locals. Reads tokens, compiles
 * nothing; where it cannot be sure it says nothing. */
#ifndef JOBS_LUA_GLOBALS_H
#define JOBS_LUA_GLOBALS_H

#include <glib.h>
#include <stdbool.h>

/* `assigned`: `name = …` or `function name()`, once a name; else a name that is only read. */
typedef void (*lua_globals_fn)(void *arg, const char *name, int line, int column, bool assigned);
/* tokens: of lua_lex(). */
void lua_globals(const GArray *tokens, lua_globals_fn fn, void *arg);

#endif
