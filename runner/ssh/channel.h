/* channel: one command on a session as SSH sees it: an exec string, stdin bytes, two streams, and how it ended. Or a
 * conversation, bytes both ways: with a command, a subsystem (sftp), or over a TCP connection that the peer makes for
 * us (direct-tcpip).
 *
 * The session owns it; the starter may use the pointer until `ended` was called or it detached. */
#ifndef RUNNER_SSH_CHANNEL_H
#define RUNNER_SSH_CHANNEL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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
    /* One of the three, copied: a command, a subsystem's name, where the peer connects to. */
    const char *exec, *subsystem, *address;
    int port;
    /* Set: a conversation. `opened` says that ssh_channel_write() may be called, `room` that a write which could not be
     * taken may be tried again. */
    void (*opened)(void *arg);
    void (*room)(void *arg);
    bool pty;
    GBytes *input; /* stdin, then EOF; referenced; may be NULL */
    bool hold;     /* no EOF yet: ssh_channel_input() gives more */
    /* Just before the exec request goes out: from now on it may run. Of a connection: before the peer is asked to make
     * it. May be NULL. */
    void (*sent)(void *arg);
    void (*output)(void *arg, bool is_stderr, const char *bytes, size_t length);
    void (*ended)(void *arg, const struct ssh_channel_end *end); /* once, unless detached */
    void *arg;
};

struct ssh_channel;
struct ssh_channel *ssh_channel_start(struct ssh_session *session, const struct ssh_channel_request *request);
/* No callback comes any more. What is under way runs to its end; the channel is closed and freed by its session. */
void ssh_channel_detach(struct ssh_channel *channel);

/* More stdin of a command that was started with `hold`; `last`: then EOF. bytes: referenced; may be NULL. */
void ssh_channel_input(struct ssh_channel *channel, GBytes *bytes, bool last);

/* Sends bytes of a conversation: how many were taken, -EAGAIN for none now, or another negative errno. */
ssize_t ssh_channel_write(struct ssh_channel *channel, const void *bytes, size_t length);

/* ---- for session.c ---- */
bool ssh_channel_is_command(const struct ssh_channel *channel); /* or subsystem: counts for MaxSessions */
bool ssh_channel_step(struct ssh_channel *channel);             /* true when something moved */
bool ssh_channel_gone(const struct ssh_channel *channel);
bool ssh_channel_in_use(const struct ssh_channel *channel);     /* somebody still wants it */
bool ssh_channel_is_waiting(const struct ssh_channel *channel); /* for the token: nothing was asked for */
void ssh_channel_turn_away(struct ssh_channel *channel);        /* one that waits: ends as CROWDED */
void ssh_channel_lose(struct ssh_channel *channel);             /* the session broke: ends as LOST */
void ssh_channel_free(struct ssh_channel *channel);             /* after gone or lose */

#endif
