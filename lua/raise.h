/* raise: the error values that scripts see: tables with code, message, host, result, file and line, and a good
 * tostring.
 *
 * Misuse of the API (a wrong type, an unknown option) raises plain text with the place, like Lua's own errors. */
#ifndef LUA_RAISE_H
#define LUA_RAISE_H

#include "core/json.h"
#include <glib.h>
#include <lua.h>

/* Raises {code, message, host, result, file, line}. host and result may be NULL; borrowed. The place is that of the
 * nearest runbook or module line. */
int raise_error(lua_State *L, int code, const char *host, const json_t *result, const char *format, ...)
    G_GNUC_PRINTF(5, 6);
/* Pushes such a value, with its place and without a result. */
void raise_push(lua_State *L, int code, const char *host, const char *message);
/* Raises "FILE:LINE: message". */
int raise_misuse(lua_State *L, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* "unknown option 'tmeout' of h:run; did you mean 'timeout'?": `what` is "option" and so on; candidates end with NULL.
 */
int raise_unknown(lua_State *L, const char *what, const char *word, const char *where, const char *const *candidates);
/* "the step needs more than its 64 MiB of memory", as text and as an error value. */
struct script;
#define RAISE_MEMORY_BYTES 100
void raise_memory_message(const struct script *script, char message[RAISE_MEMORY_BYTES]);
void raise_push_memory(lua_State *L);

/* Turns the error value, its only argument, into script->described: {"code","message","host","file","line","result"}.
 */
int raise_describe(lua_State *L);

#endif
