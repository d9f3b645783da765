/* worker: one process that executes runs: polls the server for jobs, keeps their leases, up to `slots` at once. One
 * loop for all SSH and timers; one thread per active run for its Lua. */
#ifndef RUNNER_WORKER_H
#define RUNNER_WORKER_H

#include "core/loop.h"
#include "runner/ssh/ssh.h"

struct worker;

struct worker_options {
    struct loop *loop;
    const char *socket_path, *token; /* copied */
    const char *runner;              /* the runner's name; copied */
    int64_t slots;                   /* runs at once */
    const struct ssh_settings *ssh;  /* copied by the pool */
    bool exec;                       /* steps may run programs on this machine */
    const struct reach *reach;       /* what steps may reach with http; borrowed */
    int heartbeat_fd;                /* one byte a second: enum worker_load; -1 = none */
    /* Nothing runs and no job will be taken any more: after worker_drain(), or because Lua was abandoned. Once. */
    void (*drained)(void *arg);
    void *arg;
};

/* What a heartbeat says. */
enum worker_load { WORKER_IDLE = 'i', WORKER_BUSY = 'b', WORKER_FULL = 'f' };

struct worker *worker_new(const struct worker_options *options);
/* Takes no more jobs. What has not ended within RUNNER_DRAIN_MS is cancelled, reason "stopped". */
void worker_drain(struct worker *worker);
void worker_free(struct worker *worker);

#endif
