/* channel: one command on a session as SSH sees it: an exec string, stdin bytes, two streams, and how it ended.
 *
 * The session owns it; the starter may use the pointer until `ended` was called or it detached. */
#ifndef RUNNER_SSH_CHANNEL_H
#define RUNNER_SSH_CHANNEL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ssh_session;

enum ssh_channel_outcome {
    SSH_CHANNEL_EXITED,  /* code or signal is set */
    SSH_CHANNEL_CROWDED, /* the peer opens no more channels: nothing was sent */
    SSH_CHANNEL_REFUSED, /* the peer refused pty or exec: nothing runs */
    SSH_CHANNEL_LOST,    /* the connection broke; whether it was sent is what `sent` told */
};

struct ssh_channel_end {
    enum ssh_channel_outcome outcome;
    int code;           /* -1 when a signal ended it */
    const char *signal; /* "TERM", or NULL */
    const char *reason; /* of REFUSED and CROWDED: libssh2's words */
};

struct ssh_channel_request {
    const char *exec; /* copied */
    bool pty;
    GBytes *input;           /* stdin, then EOF; referenced; may be NULL */
    void (*sent)(void *arg); /* just before the exec request goes out: from now on it may run. May be NULL */
    void (*output)(void *arg, bool is_stderr, const char *bytes, size_t length);
    void (*ended)(void *arg, const struct ssh_channel_end *end); /* once, unless detached */
    void *arg;
};

struct ssh_channel;
struct ssh_channel *ssh_channel_start(struct ssh_session *session, const struct ssh_channel_request *request);
/* No callback comes any more. What is under way runs to its end; the channel is closed and freed by its session. */
void ssh_channel_detach(struct ssh_channel *channel);

/* ---- for session.c ---- */
bool ssh_channel_step(struct ssh_channel *channel); /* true when something moved */
bool ssh_channel_gone(const struct ssh_channel *channel);
void ssh_channel_lose(struct ssh_channel *channel); /* the session broke: ends as LOST */
void ssh_channel_free(struct ssh_channel *channel); /* after gone or lose */

#endif
