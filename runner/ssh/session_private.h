/* session_private: what session.c shares with session_connect.c. Nothing else includes this. */
#ifndef RUNNER_SSH_SESSION_PRIVATE_H
#define RUNNER_SSH_SESSION_PRIVATE_H

#include "runner/ssh/auth.h"
#include "runner/ssh/dial.h"
#include "runner/ssh/door.h"
#include "runner/ssh/session.h"
#include "runner/ssh/transport.h"
#include "runner/ssh/tunnel.h"

enum session_state {
    SESSION_RESOLVE,
    SESSION_TURN, /* too many others connect */
    SESSION_DIAL,
    SESSION_BACKOFF,
    SESSION_HANDSHAKE,
    SESSION_AUTH,
    SESSION_READY,
    SESSION_CLOSED,
    SESSION_STATE_COUNT
};

struct ssh_session {
    struct ssh_session_options options;
    struct ssh_target *target;
    enum session_state state;
    GError *error;    /* set: the step on the stack ends in a collapse */
    unsigned entered; /* calls on the stack */
    bool again;       /* step once more before leaving */
    bool doomed;      /* closed by its owner: freed when nobody is on the stack */

    /* connecting */
    uint64_t started_ms;
    int64_t connect_ms;
    struct loop_resolve *resolve;
    struct ssh_dial *dial;
    struct ssh_tunnel *tunnel; /* while it opens; then the transport's */
    GPtrArray *addresses;
    struct ssh_knock knock;
    uint64_t knocked_ms;         /* when its turn was asked for */
    struct loop_timer *deadline; /* runs while it is about this host: not while others connect first */
    int64_t left_ms;             /* of the connect time-out, when the deadline was last started */
    uint64_t deadline_from_ms;   /* when that was */
    struct loop_timer *backoff;
    unsigned dropped;    /* times the peer hung up before the key exchange: MaxStartups */
    unsigned skip_types; /* host key types that did not fit the pin */
    GError *pin_error;   /* what the first of them looked like */
    struct ssh_auth *auth;
    char *fingerprint;

    /* connected */
    LIBSSH2_SESSION *ssh2;
    bool exchanging; /* libssh2 is in the middle of the first key exchange */
    struct ssh_transport *transport;
    GPtrArray *channels; /* struct ssh_channel*, owned */
    struct ssh_channel *token;
    GQueue token_queue;
    struct loop_timer *reply_timer; /* runs while somebody holds the token */
    bool stuck;                     /* a connection's open is not answered: it serves those that it has */
    struct loop_timer *keepalive_timer;
    struct loop_timer *again_timer;
    uint64_t received_before;
    int silent_turns;
};

void ssh_session_step(struct ssh_session *session);
/* Takes the error; the first counts. The step on the stack collapses the session; outside one, call ssh_session_step().
 */
void ssh_session_fail(struct ssh_session *session, GError *error);
void ssh_session_become_ready(struct ssh_session *session);
void ssh_session_step_ready(struct ssh_session *session);

/* session_connect.c */
void ssh_connect_start(struct ssh_session *session);
void ssh_connect_clear(struct ssh_session *session); /* timers, lookups, libssh2, transport */
void ssh_session_step_handshake(struct ssh_session *session);
void ssh_session_step_auth(struct ssh_session *session);

#endif
