/* transport: the bytes of one SSH session: a socket, or a channel of another session (a jump host).
 *
 * Sending always succeeds into an own buffer: libssh2 1.10 cannot do anything else on a session whose send stopped in
 * the middle of a packet. Whoever produces bulk data looks at ssh_transport_pending() first. */
#ifndef RUNNER_SSH_TRANSPORT_H
#define RUNNER_SSH_TRANSPORT_H

#include "core/loop.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where the bytes go when it is not a socket. Both return a count, 0 at the end, or a negative errno (-EAGAIN). */
struct ssh_carrier {
    ssize_t (*receive)(void *arg, void *bytes, size_t length);
    ssize_t (*send)(void *arg, const void *bytes, size_t length);
    void (*close)(void *arg);
    int (*fd)(void *arg); /* of the outermost socket: libssh2 wants one to look at */
    void *arg;
};

struct ssh_transport;
/* Takes the connected, non-blocking descriptor. `ready` is called when there is something to receive or room again. */
struct ssh_transport *ssh_transport_new_socket(struct loop *loop, int fd, void (*ready)(void *arg), void *arg);
/* Rides on a carrier, whose owner calls ssh_transport_ready() when it moved. */
struct ssh_transport *ssh_transport_new_carried(const struct ssh_carrier *carrier, void (*ready)(void *arg), void *arg);
void ssh_transport_free(struct ssh_transport *transport); /* closes the descriptor or the carrier */

/* For libssh2's callbacks: negative errno on failure. When the peer takes nothing any more, sending drops the bytes:
 * receiving tells the end, after what the peer had sent. */
ssize_t ssh_transport_receive(struct ssh_transport *transport, void *bytes, size_t length);
ssize_t ssh_transport_send(struct ssh_transport *transport, const void *bytes, size_t length);

/* Reads ahead what is there, for later receives; false at the end of file, on an error, and when more than a session
 * without channels can need is waiting. Keeps a level-triggered loop from spinning while nobody receives. */
bool ssh_transport_absorb(struct ssh_transport *transport);
void ssh_transport_flush(struct ssh_transport *transport); /* writes what can be written now */
void ssh_transport_ready(struct ssh_transport *transport);
/* From now on everything fails: libssh2 can then be freed without waiting for the peer. */
void ssh_transport_kill(struct ssh_transport *transport);

size_t ssh_transport_pending(const struct ssh_transport *transport);    /* bytes not yet written */
uint64_t ssh_transport_received(const struct ssh_transport *transport); /* bytes ever received */
int ssh_transport_fd(const struct ssh_transport *transport);
int ssh_transport_errno(const struct ssh_transport *transport); /* what broke it; 0 = nothing, or a plain end of file */

#endif
