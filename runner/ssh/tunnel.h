/* tunnel: a TCP connection that a jump host makes for us, to carry another session. */
#ifndef RUNNER_SSH_TUNNEL_H
#define RUNNER_SSH_TUNNEL_H

#include "runner/ssh/target.h"
#include "runner/ssh/transport.h"
#include <glib.h>

struct ssh_pool;
struct ssh_tunnel;
/* Opens address:port from the jump host, over the pool's session with it (which is made when there is none). begun
 * comes when the jump host is asked, perhaps more than once: what came before is not the target's fault. done comes
 * once, never from within start: error is NULL when bytes can flow; ERROR_CONNECT when the jump host could not connect,
 * else why the jump host itself could not be reached. */
struct ssh_tunnel *ssh_tunnel_start(struct ssh_pool *pool, struct ssh_target *jump, const char *address, uint16_t port,
                                    void (*begun)(void *arg), void (*done)(void *arg, const GError *error), void *arg);
void ssh_tunnel_free(struct ssh_tunnel *tunnel); /* also while it opens; NULL accepted */

/* The open tunnel as carrier of a transport, which owns it from now on. `moved` is called when there is something to
 * receive, room to send, or the end. */
struct ssh_carrier ssh_tunnel_carrier(struct ssh_tunnel *tunnel, void (*moved)(void *arg), void *arg);

#endif
