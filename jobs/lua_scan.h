/* lua_scan: which names of the API a step's Lua mentions literally: params.x, steps["y"], ssh("db-1"), require "z".
 * Reads tokens, compiles nothing; what is computed at run time is not seen. */
#ifndef JOBS_LUA_SCAN_H
#define JOBS_LUA_SCAN_H

#include <glib.h>
#include <stdbool.h>

enum lua_mention {
    LUA_NOTHING,
    LUA_PARAM,          /* params.NAME, params["NAME"] */
    LUA_PARAM_COMPUTED, /* params[x], pairs(params): any param; name is "" */
    LUA_INPUT,          /* approval.inputs.NAME, approval.inputs["NAME"] */
    LUA_STEP,           /* steps.NAME, steps["NAME"] */
    LUA_HOST,           /* ssh("NAME"), host("NAME") */
    LUA_FILTER,         /* hosts("FILTER") */
    LUA_FILTER_CONCAT,  /* hosts("..." .. x): text spliced into a filter; name is "" */
    LUA_SECRET,         /* secret("NAME") */
    LUA_MODULE,         /* require("NAME") */
    LUA_DATA,           /* data.NAME, read */
    LUA_DATA_SET,       /* data.NAME = … */
    LUA_DATA_COMPUTED,  /* data[x], f(data), data = {…}: any name may be set; name is "" */
    LUA_MENTIONS,
};

/* tokens: of lua_lex(). Mentions of a global that the text declares as a local are left out. */
typedef void (*lua_scan_fn)(void *arg, enum lua_mention mention, const char *name, int line, int column);
void lua_scan(const GArray *tokens, lua_scan_fn fn, void *arg);

#endif
