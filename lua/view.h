/* view: JSON as a deep read-only Lua table: params, incident, alert, run, steps, approval, hosts.
 *
 * A level becomes Lua values when it is first looked at, so a megabyte of an earlier step's output costs nothing until
 * it is read. The JSON belongs to the run's facts or the step's work and outlives the state. null members are absent.
 */
#ifndef LUA_VIEW_H
#define LUA_VIEW_H

#include "core/json.h"
#include <lua.h>

enum view_kind {
    VIEW_PLAIN,
    VIEW_PARAMS, /* an unknown name raises, with the nearest */
    VIEW_HOST,   /* tostring is the name */
    VIEW_KINDS
};

/* Pushes a view of an object or list. `name` is what messages call it (static). */
void view_push(lua_State *L, enum view_kind kind, const char *name, const json_t *json);
/* The JSON behind the view at `index`, or NULL when it is none. Neither raises nor allocates. */
const json_t *view_json(lua_State *L, int index);
/* next() over a view: like lua_next on its content. */
int view_next(lua_State *L);

#endif
