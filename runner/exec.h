/* exec: executes one job: step after step, with when, attempts, on_error, handlers, always, verify, wait, approvals;
 * emits numbered events; enforces time-outs and host rules. The same for a worker and for `hikeshi run`.
 *
 * The state machine is tables: what a step's result does to the run in plan.c, what stops it where in exec_stop.c. exec
 * never decides what it may do again: a lost lease fences it (exec_fence), and a step's effects start only after its
 * step_start event was acknowledged. */
#ifndef RUNNER_EXEC_H
#define RUNNER_EXEC_H

#include "core/json.h"
#include "core/loop.h"
#include "runner/mask.h"
#include "runner/world.h"

struct exec;

struct exec_options {
    struct loop *loop;
    const struct world *world; /* copied */
    const json_t *secrets;     /* {NAME: value} in place of the job's references, for tests of runbooks; or NULL */
    struct mask *mask;         /* learns the run's secrets; borrowed; NULL: one of its own */
    /* Only looks: the run leaves before the first step that is not `effect: read` and would run, with the event "plan"
     * {"step"}. */
    bool read_only;
    /* NULL, or an object that is told which way the conditions of Lua steps went: {STEP: [LUA_BRANCH_… bits]}. */
    json_t *branches;
    json_t *job; /* docs/design/wire.md; borrowed: copied by reference, must not change */
    /* One event (wire shape, with seq and at); borrowed. The receiver stores it, then calls exec_acknowledge(seq). */
    void (*emit)(void *arg, json_t *event);
    /* The run left this runner: ended, or waiting (approval, delay). Comes once, after its last event was emitted. The
     * exec may be freed from within. */
    void (*finished)(void *arg);
    void *arg;
};

struct exec *exec_new(const struct exec_options *options, GError **error);
void exec_start(struct exec *exec);
void exec_acknowledge(struct exec *exec, int64_t seq);
/* Both may be called from anywhere (before exec_start() too: then no step begins), and take effect on the next turn of
 * the loop. Cancels the run: reason "person", "stopped", "incident_resolved". Remote commands are stopped, always steps
 * and defer run. */
void exec_cancel(struct exec *exec, const char *reason);
/* The lease is (nearly) over: start no more effects, stop what runs, emit nothing more; finished comes. */
void exec_fence(struct exec *exec);
void exec_free(struct exec *exec);

#endif
