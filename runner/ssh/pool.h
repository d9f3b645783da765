/* pool: warm sessions, one a destination, and the queue of those who wait for one. The inside of ssh.h's pool. */
#ifndef RUNNER_SSH_POOL_H
#define RUNNER_SSH_POOL_H

#include "runner/ssh/password.h"
#include "runner/ssh/session.h"
#include "runner/ssh/ssh.h"
#include <glib.h>

struct ssh_host; /* one destination */

/* Somebody who wants a channel. Embedded in its owner; exactly one of ready and failed comes after ssh_pool_request(),
 * unless it is cancelled. */
struct ssh_request {
    void (*ready)(void *arg, struct ssh_session *session); /* start a channel on it now */
    void (*failed)(void *arg, const GError *error);
    void *arg;
    bool tunnel; /* for a connection, not a command: needs no place among the commands */
    /* the pool's own */
    struct ssh_host *host;
    bool queued;
    int tries;
};

/* A live operation of the pool, so that freeing the pool ends it. Embedded in its owner. */
struct ssh_task {
    void (*abort)(void *arg); /* end now, with an error; called by ssh_pool_free() */
    void *arg;
};
void ssh_pool_add_task(struct ssh_pool *pool, struct ssh_task *task);
void ssh_pool_remove_task(struct ssh_pool *pool, struct ssh_task *task);

void ssh_pool_request(struct ssh_pool *pool, struct ssh_target *target, struct ssh_request *request);
/* The channel could not be used, for a reason that is not the requester's: asks again (a session was lost before the
 * command was sent, or its server opens no more channels). After a few times `failed` comes with `error`, which is
 * taken. */
void ssh_pool_request_again(struct ssh_pool *pool, struct ssh_request *request, struct ssh_session *crowded,
                            GError *error);
void ssh_pool_request_cancel(struct ssh_request *request);

struct loop *ssh_pool_loop(const struct ssh_pool *pool);
const struct ssh_passwords *ssh_pool_passwords(const struct ssh_pool *pool);
/* A session of its own, not shared: for scans, reachability and stopping. NULL with error. */
struct ssh_session *ssh_pool_new_session(struct ssh_pool *pool, struct ssh_target *target,
                                         const struct ssh_session_options *callbacks, GError **error);
struct ssh_target *ssh_pool_target(struct ssh_pool *pool, const json_t *host, const json_t *inventory, GError **error);
/* The known_hosts file as it is now. NULL with error when it cannot be read. Lives as long as the pool. */
const struct known_hosts *ssh_pool_known_hosts(struct ssh_pool *pool, GError **error);

#endif
