/* session: one authenticated SSH connection: name → TCP → key exchange → host key → user → channels.
 *
 * The reply token: libssh2 mixes up the answers when two operations that wait for one are under way on a session, so
 * open, pty, exec and direct-tcpip each need the token, and one channel holds it at a time. A channel that is abandoned
 * while it holds the token runs its operation to the end and is freed before the token passes on. */
#ifndef RUNNER_SSH_SESSION_H
#define RUNNER_SSH_SESSION_H

#include "core/known_hosts.h"
#include "core/loop.h"
#include "runner/ssh/channel.h"
#include "runner/ssh/door.h"
#include "runner/ssh/identities.h"
#include "runner/ssh/target.h"
#include <glib.h>
#include <libssh2.h>
#include <stdbool.h>

struct ssh_session_options {
    struct loop *loop;
    struct ssh_pool *pool; /* where the sessions of jump hosts come from */
    struct ssh_doors *doors;
    struct ssh_target *target;
    const struct known_hosts *known_hosts; /* borrowed while connecting */
    const char *known_hosts_path;
    struct ssh_identities *identities;
    bool agent;
    const struct ssh_passwords *passwords;
    int64_t connect_timeout_ms;
    int64_t keepalive_ms;
    /* Shown the host's key instead of checking it; the session then closes without signing in. NULL = connect. */
    void (*scanned)(void *arg, const uint8_t *key, size_t length);
    void (*ready)(void *arg); /* signed in: channels can be started */
    void (*freed)(void *arg); /* a channel went away */
    /* The host is slow to say whether a connection that it makes for us stands, and can be asked nothing until then: it
     * needs another session. Those who wait have been turned away. Once; the owner calls ssh_session_retire(). */
    void (*stuck)(void *arg);
    /* The session is over: it could not connect, was lost, or was closed by the peer. Its channels have ended before.
     * Comes at most once, and not after ssh_session_close(). */
    void (*closed)(void *arg, const GError *error);
    void *arg;
};

struct ssh_session;
struct ssh_session *ssh_session_new(const struct ssh_session_options *options);
/* Ends it now: channels that still run end as lost. The memory goes when no call is on the stack any more. */
void ssh_session_close(struct ssh_session *session);

/* From now on it only serves the channels that it has, for another owner, and closes when nobody wants them. */
void ssh_session_retire(struct ssh_session *session, void (*closed)(void *arg, const GError *error), void *arg);

bool ssh_session_is_ready(const struct ssh_session *session);
guint ssh_session_channels(const struct ssh_session *session); /* open, opening or not yet closed by the peer */
guint ssh_session_commands(const struct ssh_session *session); /* those of them that count for MaxSessions */
int ssh_session_fd(const struct ssh_session *session);         /* of its outermost socket, or -1 */
int64_t ssh_session_connect_ms(const struct ssh_session *session);
const char *ssh_session_fingerprint(const struct ssh_session *session);
/* The host's server calls itself one that makes every command the leader of a process group. */
bool ssh_session_leads_groups(const struct ssh_session *session);

void ssh_session_wake(struct ssh_session *session); /* something changed: step soon */

/* ---- for channel.c ---- */
LIBSSH2_SESSION *ssh_session_ssh2(struct ssh_session *session);
const struct ssh_target *ssh_session_target(const struct ssh_session *session);
void ssh_session_add(struct ssh_session *session, struct ssh_channel *channel); /* and queues for the token */
bool ssh_session_has_token(const struct ssh_session *session, const struct ssh_channel *channel);
void ssh_session_release_token(struct ssh_session *session, struct ssh_channel *channel);
bool ssh_session_send_full(const struct ssh_session *session); /* no bulk data now */
/* libssh2 returned `status` on this session: true when the connection is gone (the session will close after this step).
 */
bool ssh_session_check_broken(struct ssh_session *session, int status);

#endif
