/* work: one step or expression on its way through the Lua thread: inputs going there, the outcome coming back.
 * facts: what all steps of a run share, read-only. Both are plain data, owned by one side at a time. */
#ifndef LUA_WORK_H
#define LUA_WORK_H

#include "core/json.h"
#include "lua/lua_run.h"
#include <stdbool.h>

struct facts {
    size_t memory_limit; /* bytes */
    bool note_branches;
    json_t *params, *incident, *alert, *run, *modules;
    json_t *inventory;     /* the wire's host objects, with their aliases */
    json_t *hosts;         /* {NAME: {"name","address","labels"}}: what scripts see of them */
    json_t *refused_hosts; /* names, or NULL */
};
struct facts *facts_new(const struct lua_run_options *options); /* copies */
void facts_free(struct facts *facts);

struct work {
    bool expression; /* a `when`: its value's truth is the outcome, and it may not call services */
    char *id, *file, *text;
    size_t length;
    int line;
    json_t *data, *steps, *approval, *done;
    /* outcome */
    struct lua_outcome outcome; /* owned by the work */
    bool truth;
};
struct work *work_new(const struct lua_step *step, const char *expression); /* copies */
void work_free(struct work *work);

#endif
