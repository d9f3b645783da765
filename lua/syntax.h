/* syntax: compiles step text so that messages carry the runbook's file and line.
 *
 * Knows nothing of runs or the sandbox. Only source text is compiled, never bytecode. */
#ifndef LUA_SYNTAX_H
#define LUA_SYNTAX_H

#include <lua.h>
#include <stdbool.h>

/* Pushes the compiled chunk, or the error message, and returns lua_load's status. `line` is the line of the text's
 * first line in `file`: the lines before it are fed to the compiler one newline at a time, so they cost no memory. With
 * `expression` the text is an expression whose value the chunk returns. */
int syntax_load(lua_State *L, const char *text, size_t length, const char *file, int line, bool expression);

/* The line in "FILE:LINE: message", where Lua may have shortened FILE; 0 when there is none. *ret_rest: the message's
 * start. */
int syntax_message_line(const char *message, const char **ret_rest);

#endif
