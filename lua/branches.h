/* branches: notes which way the conditions of a step went, in tests of runbooks. */
#ifndef LUA_BRANCHES_H
#define LUA_BRANCHES_H

#include "core/json.h"
#include <lua.h>

struct script;

/* Replaces the step's text by its wrapped form and makes the function it calls a global; script->branches has a place
 * for each condition. */
void branches_open(lua_State *L, struct script *script);
/* The list for the outcome, and lets go of script->branches; NULL when there is none. */
json_t *branches_take(struct script *script);

#endif
