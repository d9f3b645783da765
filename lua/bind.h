/* bind: the tables of what scripts can call. A bind_*.c holds one Lua table: its functions, each under a comment
 * that scripts/lua-api describes (stubs and docs/lua.md are made of it), and one registration table. */
#ifndef LUA_BIND_H
#define LUA_BIND_H

#include <lua.h>

struct binding {
    const char *name;
    lua_CFunction function; /* NULL: lua/std/NAME.lua, compiled when the name is first used */
};

enum bind_kind {
    BIND_GLOBALS, /* functions without a table: log(...) */
    BIND_TABLE,   /* json.encode(...) */
    BIND_METHODS, /* h:run(...): the file makes the object itself */
    BIND_REPLACE, /* replaces functions of Lua's own library: string.rep(...) */
};

struct bind_table {
    enum bind_kind kind;
    const char *name;               /* "json", "h"; "" for globals */
    const struct binding *bindings; /* ends with name == NULL */
};

extern const struct bind_table *const bind_tables[]; /* ends with NULL */

/* What lua/std gets as its argument, and scripts never see. */
extern const struct binding engine_bindings[];

#define BIND_EXTERN(NAME) extern const struct bind_table NAME
BIND_EXTERN(bind_base);
BIND_EXTERN(bind_string);
BIND_EXTERN(bind_list);
BIND_EXTERN(bind_ssh_globals);
BIND_EXTERN(bind_ssh_methods);
BIND_EXTERN(bind_hosts);
BIND_EXTERN(bind_http);
BIND_EXTERN(bind_secret);
BIND_EXTERN(bind_incidents);
BIND_EXTERN(bind_log);
BIND_EXTERN(bind_report);
BIND_EXTERN(bind_flow);
BIND_EXTERN(bind_many);
BIND_EXTERN(bind_json);
BIND_EXTERN(bind_base64);
BIND_EXTERN(bind_text);
BIND_EXTERN(bind_time);

#endif
