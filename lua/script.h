/* script: one step (or `when` expression) at work on the run's thread, in a lua_State of its own.
 *
 * A fresh state for each step is the isolation: nothing that a step does to its globals, libraries or metatables can
 * reach another step or another run, and its memory goes with it. Only the Lua thread touches a script. */
#ifndef LUA_SCRIPT_H
#define LUA_SCRIPT_H

#include "lua/bridge.h"
#include "lua/interrupt.h"
#include "lua/memory.h"
#include "lua/work.h"
#include <glib.h>
#include <lua.h>
#include <stdbool.h>

struct task;

struct script {
    struct bridge *bridge;
    const struct facts *facts;
    struct work *work;
    struct memory memory;
    struct interrupt interrupt;
    lua_State *L; /* the main state: anchors tasks, runs no user code itself */

    GHashTable *tasks; /* id → struct task; owns them */
    GQueue ready;      /* tasks to resume; borrowed */
    struct task *current;
    uint64_t last_task;
    unsigned calls; /* services under way */

    enum lua_result ending; /* what finish() or skip() asked for, with interrupt.ending */
    char *ending_message;
    bool unwinding;       /* no task runs any more; what still comes are the ends of their calls */
    bool deferring;       /* the defer functions run now */
    unsigned eaches;      /* how often each() was called */
    unsigned defers;      /* how many are registered, in the registry's list */
    json_t *kept;         /* `data` as of the start or the last checkpoint */
    json_t *checkpoint;   /* on its way to be kept */
    json_t *described;    /* the error that raise_describe() made out of a Lua value */
    GByteArray *branches; /* with facts->note_branches: LUA_BRANCH_… by condition */
    char *stop_message;   /* what the first call that was stopped by an interrupt said, with its host */
    char *stop_host;
};

/* Runs `work` to its end and fills its outcome. */
void script_run(struct bridge *bridge, const struct facts *facts, struct work *work);

/* The script that a state belongs to. */
struct script *script_of(lua_State *L);

/* The first place in a step or module on L's stack: file is borrowed from L. False when there is none. */
struct place {
    const char *file;
    char short_file[LUA_IDSIZE]; /* as Lua's own messages call it */
    int line;
};
bool script_place(lua_State *L, lua_Debug *ret_info, struct place *ret_place);

#endif
