/* fleet: one thing on many hosts, from a terminal: in waves, with Ctrl-C as `hikeshi run` has it: once stops and waits
 * for proof, twice leaves. */
#ifndef CLI_FLEET_H
#define CLI_FLEET_H

#include "core/json.h"
#include "runner/ssh/ssh.h"
#include <stdbool.h>
#include <stddef.h>

struct fleet_options {
    const char *command; /* "hosts exec", for messages */
    const struct ssh_settings *ssh;
    const json_t *hosts;   /* array */
    const json_t *rollout; /* as rollout_init() wants a step */
    void (*start)(void *arg, struct ssh_pool *pool, const json_t *host, struct op *op);
    /* How it ended on a host. Returns whether that was well. */
    bool (*ended)(void *arg, const json_t *host, const json_t *result, const GError *error);
    void *arg;
};

struct fleet_outcome {
    size_t failed;
    json_t *not_started; /* array of names; the caller's */
    bool cancelled;
    bool left; /* without waiting for the end */
};

void fleet_run(const struct fleet_options *options, struct fleet_outcome *ret);

#endif
