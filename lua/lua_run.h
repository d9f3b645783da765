/* lua_run: the Lua side of one active run: a thread of its own, a sandboxed state with a memory ceiling, tasks
 * (coroutines).
 *
 * User code never runs on the loop. A binding that needs the world calls a service: the task is suspended, the loop
 * starts the service's op, and the task is resumed with its result by (id, generation); stale results are dropped.
 * Deadline and cancel set a hook from a signal to the thread; the hook yields and the scheduler unwinds, so `pcall`
 * cannot swallow it. A thread that does not come back within LUA_STUCK_MS is abandoned: the step ends with ERROR_STUCK
 * and lua_run_stuck() says so. */
#ifndef LUA_LUA_RUN_H
#define LUA_LUA_RUN_H

#include "core/json.h"
#include "core/loop.h"
#include "core/op.h"
#include <glib.h>
#include <stdbool.h>

#define LUA_STUCK_MS 3000

/* What the runner provides: starts service `name` ("ssh.run", "sleep", "note", …; the table is in lua/services.def)
 * with `args` (a borrowed JSON object) and ends `op` with the result. On the loop. Unknown names end the op with
 * ERROR_UNSUPPORTED. */
typedef void (*lua_service_fn)(void *arg, const char *name, json_t *args, struct op *op);

struct lua_run_options {
    struct loop *loop;
    size_t memory_limit; /* bytes; 0 = LIMIT_LUA_MEMORY_BYTES */
    lua_service_fn service;
    void *service_arg;
    /* Read-only globals; incident and alert may be NULL. Borrowed: copied. params has every declared name, null without
     * a value. */
    json_t *params, *incident, *alert, *run;
    json_t *modules;       /* {"hikeshi/lib/x.lua": text} for require; may be NULL */
    json_t *inventory;     /* hosts that the run may touch (docs/design/wire.md); NULL: not checked in Lua */
    json_t *refused_hosts; /* the wire's "refused_hosts": code not_allowed; may be NULL */
    bool note_branches;    /* outcomes say which way conditions went */
};

struct lua_step {
    const char *id;
    const char *file; /* for messages: "runbooks/disk.md" */
    int line;         /* of the first line of text in the file: errors say runbooks/disk.md:31 */
    const char *text; /* source text; bytecode is refused */
    json_t *data;     /* in: the kept table; borrowed */
    json_t *steps; /* results of earlier steps, read-only: {ID: {"result", "hosts": {NAME: {"stdout",…}}}}; borrowed */
    json_t *approval; /* {"inputs","decisions"} or NULL */
    json_t *done;     /* [{NAME: reason}…]: what each() of an earlier run has done, by its calls; or NULL. Borrowed */
    int64_t timeout_ms;
    int64_t grace_ms; /* for defer functions after failure, cancel or time-out */
};

/* How a step ended. */
enum lua_result {
    LUA_RESULT_OK,
    LUA_RESULT_FAILED,
    LUA_RESULT_SKIPPED,
    LUA_RESULT_FINISHED,
    LUA_RESULT_CANCELLED,
    LUA_RESULT_TIMED_OUT
};
struct lua_outcome {
    enum lua_result result;
    char *message; /* of finish/skip, or NULL */
    json_t *data;  /* the table after the step (also after a failure: what the last checkpoint had) */
    /* {"code","message","host","file","line","result"} or NULL. code is an errors.def code. For LUA_RESULT_FAILED and
     * after. */
    json_t *error;
    json_t *branches; /* with note_branches: [LUA_BRANCH_… bits] in the order of lua_branches_list(); else NULL */
};

struct lua_run;
/* Starts the thread and its state. Never fails but for ERROR_INTERNAL (no thread). */
struct lua_run *lua_run_new(const struct lua_run_options *options, GError **error);

/* Runs one step in a fresh environment; done comes once, on the loop; the outcome is borrowed. One step at a time; none
 * on a run that is stuck. */
void lua_run_step(struct lua_run *run, const struct lua_step *step,
                  void (*done)(void *arg, const struct lua_outcome *outcome), void *arg);
/* Evaluates a `when` expression with the same globals. done: truthiness in *value, or error. */
void lua_run_when(struct lua_run *run, const struct lua_step *step, const char *expression,
                  void (*done)(void *arg, bool value, const GError *error), void *arg);
/* Interrupts the step under way: its service ops are cancelled, its tasks unwound, its defer functions run within
 * grace, then done comes with LUA_RESULT_CANCELLED or LUA_RESULT_TIMED_OUT. code: ERROR_CANCELLED or ERROR_TIMEOUT. */
void lua_run_interrupt(struct lua_run *run, int code);
bool lua_run_stuck(const struct lua_run *run);
/* Ends the thread (an abandoned one is left behind, counted by lua_run_abandoned()). No callback comes after. */
void lua_run_free(struct lua_run *run);
int lua_run_abandoned(void); /* in this process; a worker with any takes no more runs */

/* The globals of a step, for lint: NULL-terminated, static. */
const char *const *lua_global_names(void);
/* The modules of the standard library: "hikeshi.psql" and so on. NULL-terminated, static. Names that begin with the
 * prefix and a dot are no repository's. */
#define LUA_MODULE_PREFIX "hikeshi"
const char *const *lua_module_names(void);

/* Compiles without running: for lint. NULL = fine; else the message with file:line. *ret_line may be NULL. g_free. */
char *lua_check_syntax(const char *text, const char *file, int line, bool expression, int *ret_line);

#endif
