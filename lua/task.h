/* task: one coroutine of a script, and the script's scheduler.
 *
 * A task is ready, or waits for a service call or for its children, or has ended. A call is answered by (task id,
 * generation): the id is never used twice and the generation counts the task's calls, so an answer that comes too late
 * meets nobody. */
#ifndef LUA_TASK_H
#define LUA_TASK_H

#include "lua/script.h"

enum task_state { TASK_READY, TASK_CALLING, TASK_JOINING, TASK_ENDED };

struct task {
    uint64_t id;
    unsigned generation;
    enum task_state state;
    lua_State *L;
    int anchor;         /* registry reference that keeps L alive */
    int argument_count; /* on L's stack for the next resume */
    int status;         /* of an ended task: LUA_OK, or an error whose value is on top of L's stack */
    struct task *parent;
    GQueue ended_children; /* not collected yet; borrowed */
    unsigned children;     /* not collected yet, ended or not */
    json_t *result;        /* of the last call */
    GError *error;
    char *host; /* that the last call was about, or NULL */
};

/* Makes a ready task of the function and `argument_count` values on top of `from`, which are popped. */
struct task *task_new(struct script *script, lua_State *from, int argument_count, struct task *parent);
void task_free(struct script *script, struct task *task);
void task_free_all(struct script *script);

/* Runs every ready task until `task` has ended; false when the script is interrupted before. */
bool task_run_until_ended(struct script *script, struct task *task);
/* The same without running any other task. */
bool task_run_alone(struct script *script, struct task *task);
/* Waits for one mail of the loop; false when nothing will come any more. */
bool task_receive(struct script *script);

/* lua/std: engine.spawn(fn, ...) → id; engine.wait() → id, ok, value of a child that has ended, or nothing when there
 * is none. */
int task_spawn(lua_State *L);
int task_wait(lua_State *L);

#endif
