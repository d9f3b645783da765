/* world: what a run reaches outside of this process: hosts over SSH, HTTP, programs beside the runner; in tests of
 * runbooks, written answers (replay.h); either may be listened to (tape.h). */
#ifndef RUNNER_WORLD_H
#define RUNNER_WORLD_H

#include "core/http_client.h"
#include "runner/local.h"
#include "runner/ssh/ssh.h"

struct world {
    /* As ssh_run(). step: the shell step whose text this is, else NULL. */
    void (*run)(void *arg, const char *step, const struct ssh_command *command, struct op *op);
    /* As ssh_upload() when the request has content, else as ssh_download(). */
    void (*transfer)(void *arg, const struct ssh_transfer_request *request, struct op *op);
    void (*reach)(void *arg, const json_t *host, const json_t *inventory, struct op *op);
    /* A program on this machine: argv, stdin, env, cwd, time-out, output of the command are used. As local_run(). */
    void (*local)(void *arg, const struct ssh_command *command, struct op *op);
    /* {"method","url","headers":{},"body":bytes|null,"timeout_ms","max_bytes"} →
     * {"status","headers":{},"body":bytes,"duration_ms"}. Any HTTP status is a result. */
    void (*http)(void *arg, const json_t *request, struct op *op);
    void *arg;
};

/* What a real world is made of; borrowed, and outlives it. */
struct network {
    struct loop *loop;
    struct ssh_pool *ssh;
    struct http_client *http;
    const struct reach *reach; /* what http may reach */
    struct local_pool *local;  /* programs on this machine; NULL: off (runner.exec) */
};
struct world world_of_network(const struct network *network);

#endif
