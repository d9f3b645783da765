/* session: see session.h. The connecting half of the state machine is in session_connect.c. Knows no pool and no shell.
 */
#include "runner/ssh/session.h"
#include "core/errors.h"
#include "core/limits.h"
#include "runner/ssh/session_private.h"
#include <string.h>

/* A peer that says nothing for three of these, though asked, is gone. */
enum { KEEPALIVE_MISSES = 3 };
/* An open that takes so much longer than the whole sign-in did is not answered soon: the target is dead, behind a host
 * that waits for it. */
enum { STUCK_MS = 1000 };
/* How often the channels are stepped in one turn of the loop before others get their turn. */
enum { PASSES_PER_TURN = 4 };

static void session_free(struct ssh_session *session)
{
    ssh_target_unref(session->target);
    g_ptr_array_unref(session->channels);
    g_free(session->fingerprint);
    g_clear_error(&session->error);
    g_free(session);
}

/* Lets go of everything outside: handles, socket, libssh2. Channels are lost; their ends may run foreign code. */
static void session_dismantle(struct ssh_session *session)
{
    session->state = SESSION_CLOSED;
    ssh_connect_clear(session);
    loop_timer_free(g_steal_pointer(&session->reply_timer));
    loop_timer_free(g_steal_pointer(&session->keepalive_timer));
    loop_timer_free(g_steal_pointer(&session->again_timer));
    session->token = NULL;
    g_queue_clear(&session->token_queue);
    g_autoptr(GPtrArray) channels = g_steal_pointer(&session->channels);
    session->channels = g_ptr_array_new();
    for (guint i = 0; i < channels->len; i++) {
        ssh_channel_lose(g_ptr_array_index(channels, i));
        ssh_channel_free(g_ptr_array_index(channels, i));
    }
}

static void session_enter(struct ssh_session *session)
{
    session->entered++;
}

static void session_leave(struct ssh_session *session)
{
    if (--session->entered == 0 && session->doomed)
        session_free(session);
}

void ssh_session_close(struct ssh_session *session)
{
    if (session == NULL || session->doomed)
        return;
    session->options.closed = NULL;
    session->doomed = true;
    session_enter(session);
    session_dismantle(session);
    session_leave(session);
}

void ssh_session_fail(struct ssh_session *session, GError *error)
{
    if (session->error == NULL && session->state != SESSION_CLOSED)
        session->error = error;
    else
        g_clear_error(&error);
}

/* After a step that failed: the owner hears of it last, and then closes us. */
static void session_collapse(struct ssh_session *session)
{
    session_dismantle(session);
    if (session->options.closed != NULL)
        session->options.closed(session->options.arg, session->error);
}

/* ---- ready: channels ---- */

static void remove_gone(struct ssh_session *session)
{
    bool removed = false;
    for (guint i = session->channels->len; i-- > 0;) {
        struct ssh_channel *channel = g_ptr_array_index(session->channels, i);
        if (!ssh_channel_gone(channel))
            continue;
        g_ptr_array_remove_index(session->channels, i);
        ssh_session_release_token(session, channel);
        ssh_channel_free(channel);
        removed = true;
    }
    if (removed && session->options.freed != NULL)
        session->options.freed(session->options.arg);
}

/* Reading for one channel delivers packets to all of them, so everyone is asked until nobody moves. */
static bool step_channels(struct ssh_session *session)
{
    bool moved = false;
    for (guint i = 0; i < session->channels->len && session->error == NULL; i++) {
        moved |= ssh_channel_step(g_ptr_array_index(session->channels, i));
        if (session->state != SESSION_READY)
            return false;
    }
    return moved;
}

/* Without channels nobody reads for libssh2: what comes (answers to keep-alives, key announcements) is kept for later.
 */
static void absorb(struct ssh_session *session)
{
    if (!ssh_transport_absorb(session->transport))
        ssh_session_fail(session,
                         g_error_new(HIKESHI_ERROR, ERROR_LOST, "%s closed the connection", session->target->label));
}

static void close_when_unused(struct ssh_session *session)
{
    for (guint i = 0; i < session->channels->len; i++)
        if (ssh_channel_in_use(g_ptr_array_index(session->channels, i)))
            return;
    ssh_session_fail(session, g_error_new(HIKESHI_ERROR, ERROR_LOST, "%s is used no more", session->target->label));
}

void ssh_session_step_ready(struct ssh_session *session)
{
    for (int pass = 0; pass < PASSES_PER_TURN; pass++) {
        bool moved = step_channels(session);
        if (session->state != SESSION_READY || session->error != NULL)
            return;
        remove_gone(session);
        if (session->state != SESSION_READY)
            return;
        if (!moved) {
            if (session->channels->len == 0)
                absorb(session);
            if (session->stuck)
                close_when_unused(session);
            return;
        }
    }
    loop_timer_start(session->again_timer, 0, 0);
}

static void unanswered(struct ssh_session *session)
{
    ssh_session_fail(session,
                     g_error_new(HIKESHI_ERROR, ERROR_LOST, "%s does not answer any more", session->target->label));
    ssh_session_step(session);
}

static struct ssh_channel *first_waiting(const struct ssh_session *session)
{
    for (guint i = 0; i < session->channels->len; i++)
        if (ssh_channel_is_waiting(g_ptr_array_index(session->channels, i)))
            return g_ptr_array_index(session->channels, i);
    return NULL;
}

/* The token's holder has no answer. A command's comes from the host itself; a connection's waits for a third, for as
 * long as that one's owner does: keep-alives tell whether the host is there. */
static void reply_overdue(void *arg)
{
    struct ssh_session *session = arg;
    if (ssh_channel_is_command(session->token)) {
        unanswered(session);
        return;
    }
    session->stuck = true;
    session_enter(session);
    if (session->options.stuck != NULL)
        session->options.stuck(session->options.arg);
    /* To the next session. Their owners may close this one, and with it all channels. */
    for (struct ssh_channel *channel; (channel = first_waiting(session)) != NULL;)
        ssh_channel_turn_away(channel);
    if (session->again_timer != NULL)
        loop_timer_start(session->again_timer, 0, 0);
    session_leave(session);
}

void ssh_session_retire(struct ssh_session *session, void (*closed)(void *arg, const GError *error), void *arg)
{
    session->options.ready = NULL;
    session->options.freed = NULL;
    session->options.stuck = NULL;
    session->options.closed = closed;
    session->options.arg = arg;
    ssh_session_wake(session);
}

static void keepalive(void *arg)
{
    struct ssh_session *session = arg;
    uint64_t received = ssh_transport_received(session->transport);
    if (received != session->received_before)
        session->silent_turns = 0;
    else if (++session->silent_turns > KEEPALIVE_MISSES) {
        unanswered(session);
        return;
    }
    session->received_before = received;
    int next;
    libssh2_keepalive_send(session->ssh2, &next);
    ssh_transport_flush(session->transport);
}

void ssh_session_become_ready(struct ssh_session *session)
{
    session->state = SESSION_READY;
    session->connect_ms = (int64_t)(loop_now_ms(session->options.loop) - session->started_ms);
    session->reply_timer = loop_timer_new(session->options.loop, reply_overdue, session);
    session->keepalive_timer = loop_timer_new(session->options.loop, keepalive, session);
    libssh2_keepalive_config(session->ssh2, 1, 2);
    uint64_t keepalive_ms = (uint64_t)session->options.keepalive_ms;
    loop_timer_start(session->keepalive_timer, keepalive_ms, keepalive_ms);
    session->options.ready(session->options.arg);
}

/* ---- stepping ---- */

static void step_closed(struct ssh_session *session)
{
    (void)session;
}

static void (*const steps[SESSION_STATE_COUNT])(struct ssh_session *session) = {
    [SESSION_RESOLVE] = step_closed, /* these four move by callbacks alone */
    [SESSION_TURN] = step_closed,           [SESSION_DIAL] = step_closed,
    [SESSION_BACKOFF] = step_closed,        [SESSION_HANDSHAKE] = ssh_session_step_handshake,
    [SESSION_AUTH] = ssh_session_step_auth, [SESSION_READY] = ssh_session_step_ready,
    [SESSION_CLOSED] = step_closed,
};

void ssh_session_step(struct ssh_session *session)
{
    if (session->entered > 0) {
        session->again = true; /* the step on the stack goes on */
        return;
    }
    session_enter(session);
    do {
        session->again = false;
        enum session_state before = session->state;
        if (session->error == NULL)
            steps[session->state](session);
        session->again |= session->state != before;
        if (session->error != NULL && session->state != SESSION_CLOSED)
            session_collapse(session);
    } while (session->again && session->state != SESSION_CLOSED);
    if (session->transport != NULL)
        ssh_transport_flush(session->transport);
    session_leave(session);
}

static void step_callback(void *arg)
{
    ssh_session_step(arg);
}

void ssh_session_wake(struct ssh_session *session)
{
    if (session->entered > 0)
        session->again = true;
    else if (session->again_timer != NULL)
        loop_timer_start(session->again_timer, 0, 0);
}

struct ssh_session *ssh_session_new(const struct ssh_session_options *options)
{
    struct ssh_session *session = g_new0(struct ssh_session, 1);
    session->options = *options;
    session->target = ssh_target_ref(options->target);
    session->channels = g_ptr_array_new();
    session->started_ms = loop_now_ms(options->loop);
    session->again_timer = loop_timer_new(options->loop, step_callback, session);
    ssh_connect_start(session);
    return session;
}

bool ssh_session_is_ready(const struct ssh_session *session)
{
    return session->state == SESSION_READY && session->error == NULL;
}

guint ssh_session_channels(const struct ssh_session *session)
{
    return session->channels->len;
}

guint ssh_session_commands(const struct ssh_session *session)
{
    guint count = 0;
    for (guint i = 0; i < session->channels->len; i++)
        count += ssh_channel_is_command(g_ptr_array_index(session->channels, i));
    return count;
}

int ssh_session_fd(const struct ssh_session *session)
{
    return session->transport ? ssh_transport_fd(session->transport) : -1;
}

int64_t ssh_session_connect_ms(const struct ssh_session *session)
{
    return session->connect_ms;
}

const char *ssh_session_fingerprint(const struct ssh_session *session)
{
    return session->fingerprint;
}

/* ---- for channel.c ---- */

bool ssh_session_leads_groups(const struct ssh_session *session)
{
    const char *banner = libssh2_session_banner_get(session->ssh2);
    return banner != NULL && g_str_has_prefix(banner, "SSH-2.0-OpenSSH_");
}

LIBSSH2_SESSION *ssh_session_ssh2(struct ssh_session *session)
{
    return session->ssh2;
}

const struct ssh_target *ssh_session_target(const struct ssh_session *session)
{
    return session->target;
}

static void pass_token(struct ssh_session *session)
{
    session->token = g_queue_pop_head(&session->token_queue);
    if (session->token == NULL) {
        loop_timer_stop(session->reply_timer);
        return;
    }
    int64_t patience_ms =
        ssh_channel_is_command(session->token) ? session->options.connect_timeout_ms : session->connect_ms + STUCK_MS;
    loop_timer_start(session->reply_timer, (uint64_t)patience_ms, 0);
    ssh_session_wake(session);
}

void ssh_session_add(struct ssh_session *session, struct ssh_channel *channel)
{
    g_ptr_array_add(session->channels, channel);
    g_queue_push_tail(&session->token_queue, channel);
    if (session->token == NULL)
        pass_token(session);
}

bool ssh_session_has_token(const struct ssh_session *session, const struct ssh_channel *channel)
{
    return session->token == channel;
}

void ssh_session_release_token(struct ssh_session *session, struct ssh_channel *channel)
{
    if (session->token == channel)
        pass_token(session);
    else
        g_queue_remove(&session->token_queue, channel);
}

bool ssh_session_send_full(const struct ssh_session *session)
{
    return ssh_transport_pending(session->transport) >= LIMIT_SSH_SEND_BUFFER_BYTES;
}

bool ssh_session_check_broken(struct ssh_session *session, int status)
{
    switch (status) {
    case LIBSSH2_ERROR_SOCKET_NONE:
    case LIBSSH2_ERROR_SOCKET_SEND:
    case LIBSSH2_ERROR_SOCKET_RECV:
    case LIBSSH2_ERROR_SOCKET_DISCONNECT:
    case LIBSSH2_ERROR_SOCKET_TIMEOUT:
    case LIBSSH2_ERROR_PROTO:
    case LIBSSH2_ERROR_DECRYPT:
    case LIBSSH2_ERROR_INVALID_MAC:
    case LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE:
    case LIBSSH2_ERROR_BAD_SOCKET:
    case LIBSSH2_ERROR_OUT_OF_BOUNDARY:
        break;
    default:
        return false;
    }
    int broken = ssh_transport_errno(session->transport);
    ssh_session_fail(session, g_error_new(HIKESHI_ERROR, ERROR_LOST, "the connection to %s was lost: %s",
                                          session->target->label, broken ? g_strerror(broken) : "it was closed"));
    return true;
}
