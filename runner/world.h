/* world: what a run reaches outside of this process: hosts over SSH; in tests of runbooks, written answers (replay.h);
 * either may be listened to (tape.h). */
#ifndef RUNNER_WORLD_H
#define RUNNER_WORLD_H

#include "runner/ssh/ssh.h"

struct world {
    /* As ssh_run(). step: the shell step whose text this is, else NULL. */
    void (*run)(void *arg, const char *step, const struct ssh_command *command, struct op *op);
    /* As ssh_upload() when the request has content, else as ssh_download(). */
    void (*transfer)(void *arg, const struct ssh_transfer_request *request, struct op *op);
    void (*reach)(void *arg, const json_t *host, const json_t *inventory, struct op *op);
    void *arg;
};

/* The pool's hosts. */
struct world world_of_ssh(struct ssh_pool *pool);

#endif
