/* lua_branches: which conditions a Lua text has, and the same text with each of them wrapped in a call that can note
 * which way it went. For tests of runbooks; lua/branches.c has the call. */
#ifndef CORE_LUA_BRANCHES_H
#define CORE_LUA_BRANCHES_H

#include "core/json.h"

/* What a condition was, as bits. */
enum { LUA_BRANCH_TRUE = 1, LUA_BRANCH_FALSE = 2 };

/* [{"line","column","keyword":"if|elseif|while"}] in the order of the text; line: of the text's first line. */
json_t *lua_branches_list(const char *text, int line);
/* `if x then` becomes `if FUNCTION(0,(x)) then`, and so on with the numbers of the list. Lines stay where they were.
 * g_free. */
char *lua_branches_wrap(const char *text, const char *function);

#endif
