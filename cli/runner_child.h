/* runner_child: the local runner that serve keeps beside itself: started, restarted with backoff, drained. */
#ifndef CLI_RUNNER_CHILD_H
#define CLI_RUNNER_CHILD_H

#include "cli/cli.h"
#include "core/config.h"
#include "core/loop.h"

struct runner_child;

/* Starts `hikeshi runner --socket DATA/runner.sock --token-file DATA/runner-token` with the configuration of this call:
 * the same file, and its flags as environment. A runner that dies is started again, at once the first time, then later and later. It dies with this process. */
struct runner_child *runner_child_new(struct loop *loop, const struct cli_call *call, const struct config *config,
                                      const char *data_folder);
/* SIGTERM; ended(arg) comes when the runner is gone, at once when there is none. It is not started again. */
void runner_child_drain(struct runner_child *runner, void (*ended)(void *arg), void *arg);
void runner_child_free(struct runner_child *runner); /* kills it when it still lives */

#endif
