/* local: a program on the runner's own machine, for exec() of steps: its own process group and a small environment,
 * never the runner's. */
#ifndef RUNNER_LOCAL_H
#define RUNNER_LOCAL_H

#include "core/loop.h"
#include "core/op.h"
#include "runner/ssh/ssh.h"

/* Of those that run. */
struct local_pool;
struct local_pool *local_pool_new(struct loop *loop);
/* Kills what still runs; the ops end no more. */
void local_pool_free(struct local_pool *pool);

/* The result's host is WIRE_LOCAL_HOST. Of the command: argv, stdin, env, cwd, timeout_ms, max_output, on_output are
 * used. op ends as ssh_run()'s does; a stopped one says whether the whole process group is gone. */
void local_run(struct local_pool *pool, const struct ssh_command *command, struct op *op);

#endif
