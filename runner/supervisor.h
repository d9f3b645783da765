/* supervisor: keeps worker processes alive: starts them, hears their heartbeats, kills one whose loop has stalled,
 * starts it again with back-off, starts more while all are full. Touches no job, no key, no network. */
#ifndef RUNNER_SUPERVISOR_H
#define RUNNER_SUPERVISOR_H

#include "core/loop.h"

struct supervisor;

struct supervisor_options {
    struct loop *loop;
    const char *const *argv;  /* of a worker; descriptor 3 is its heartbeat. Borrowed */
    const char *const *env;   /* NULL-terminated, borrowed */
    size_t most;              /* workers */
    void (*ended)(void *arg); /* after supervisor_drain(): the last worker is gone */
    void *arg;
};

struct supervisor *supervisor_new(const struct supervisor_options *options);
void supervisor_drain(struct supervisor *supervisor); /* SIGTERM to every worker, no restarts */
void supervisor_free(struct supervisor *supervisor);  /* kills what lives */

#endif
