/* value: Lua values ↔ JSON. */
#ifndef LUA_VALUE_H
#define LUA_VALUE_H

#include "core/json.h"
#include <glib.h>
#include <lua.h>

enum value_nulls { VALUE_NULL_AS_NIL, VALUE_NULL_AS_NULL };
/* What to do with text that is not UTF-8: refuse it; pass the bytes on (services); write U+FFFD (text for people). */
enum value_bytes { VALUE_BYTES_REFUSED, VALUE_BYTES_KEPT, VALUE_BYTES_AS_TEXT };

struct value_problem {
    char text[300]; /* "data.hosts[3].run: a function is not JSON" */
};

/* Pushes a JSON value as plain Lua tables; raises when memory is over. The value must be owned by something that Lua's
 * unwinding does not skip (a box, a task, the work). */
void value_push(lua_State *L, const json_t *value, enum value_nulls nulls);

/* The value at `index` as JSON, or NULL with the problem named by its path from `name`. Never raises, runs no
 * metamethods. Tables with the keys 1..n are lists, an empty table is a list unless json.object made it. */
json_t *value_to_json(lua_State *L, int index, const char *name, enum value_bytes bytes, struct value_problem *problem);

/* json.null */
void value_push_null(lua_State *L);
bool value_is_null(lua_State *L, int index);
/* Marks the table on top as an object (json.object) or a list (json.array). */
void value_mark(lua_State *L, bool object);

/* A box: a userdata that owns one JSON value, so that raising never leaks it. */
json_t **value_box(lua_State *L);

#endif
