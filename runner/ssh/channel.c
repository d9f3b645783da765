/* channel: see channel.h. Knows nothing of shells, hosts or time. */
#include "runner/ssh/channel.h"
#include "runner/ssh/session.h"
#include <errno.h>
#include <string.h>

enum { READ_BYTES = 32 * 1024, READS_PER_STEP = 2, WRITE_BYTES = 32 * 1024 };

enum state { WAITING, OPENING, PTY, EXEC, RUNNING, CLOSING, GONE, STATE_COUNT };

struct ssh_channel {
    struct ssh_session *session;
    LIBSSH2_CHANNEL *ssh2;
    enum state state;
    bool detached;
    bool told_sent;
    const char *startup; /* "exec", "subsystem"; NULL = a connection */
    char *what;          /* the command, the subsystem or the address */
    bool write_blocked;
    GBytes *input;
    size_t input_sent;
    bool input_done;
    struct ssh_channel_request request;
};

struct ssh_channel *ssh_channel_start(struct ssh_session *session, const struct ssh_channel_request *request)
{
    struct ssh_channel *channel = g_new0(struct ssh_channel, 1);
    channel->session = session;
    channel->request = *request;
    channel->startup = request->exec ? "exec" : request->subsystem ? "subsystem" : NULL;
    channel->what = g_strdup(request->exec        ? request->exec
                             : request->subsystem ? request->subsystem
                                                  : request->address);
    channel->input = request->input ? g_bytes_ref(request->input) : NULL;
    ssh_session_add(session, channel);
    return channel;
}

void ssh_channel_detach(struct ssh_channel *channel)
{
    channel->detached = true;
    if (channel->state == RUNNING)
        channel->state = CLOSING;
    else if (channel->state == WAITING)
        channel->state = GONE;
    ssh_session_wake(channel->session);
}

static void end(struct ssh_channel *channel, const struct ssh_channel_end *how)
{
    if (channel->detached)
        return;
    channel->detached = true;
    channel->request.ended(channel->request.arg, how);
}

/* An operation of the token holder failed, the connection stands. */
static void end_refused(struct ssh_channel *channel, enum ssh_channel_outcome outcome)
{
    char *reason = NULL;
    libssh2_session_last_error(ssh_session_ssh2(channel->session), &reason, NULL, 0);
    channel->state = channel->ssh2 ? CLOSING : GONE;
    end(channel, &(struct ssh_channel_end){.outcome = outcome, .code = -1, .reason = reason});
}

static void tell_sent(struct ssh_channel *channel)
{
    if (channel->told_sent || channel->detached || channel->request.sent == NULL)
        return;
    channel->told_sent = true;
    channel->request.sent(channel->request.arg);
}

static bool step_waiting(struct ssh_channel *channel)
{
    if (!ssh_session_has_token(channel->session, channel))
        return false;
    channel->state = OPENING;
    if (!ssh_channel_is_command(channel))
        tell_sent(channel);
    return true;
}

static bool is_conversation(const struct ssh_channel *channel)
{
    return channel->request.opened != NULL;
}

/* Nothing more has to be asked for. */
static void established(struct ssh_channel *channel)
{
    ssh_session_release_token(channel->session, channel);
    channel->state = channel->detached ? CLOSING : RUNNING;
    if (is_conversation(channel) && !channel->detached)
        channel->request.opened(channel->request.arg);
}

/* A connection is ready when it is open; a command has more to ask. */
static void opened(struct ssh_channel *channel)
{
    if (channel->detached)
        channel->state = CLOSING;
    else if (ssh_channel_is_command(channel))
        channel->state = channel->request.pty ? PTY : EXEC;
    else
        established(channel);
}

static bool step_opening(struct ssh_channel *channel)
{
    LIBSSH2_SESSION *ssh2 = ssh_session_ssh2(channel->session);
    channel->ssh2 = ssh_channel_is_command(channel)
                        ? libssh2_channel_open_session(ssh2)
                        : libssh2_channel_direct_tcpip(ssh2, channel->what, channel->request.port);
    if (channel->ssh2 != NULL) {
        opened(channel);
        return true;
    }
    int status = libssh2_session_last_errno(ssh2);
    if (status == LIBSSH2_ERROR_EAGAIN || ssh_session_check_broken(channel->session, status))
        return false;
    end_refused(channel, ssh_channel_is_command(channel) ? SSH_CHANNEL_CROWDED : SSH_CHANNEL_REFUSED);
    return true;
}

static bool step_pty(struct ssh_channel *channel)
{
    int status = libssh2_channel_request_pty(channel->ssh2, "xterm");
    if (status == LIBSSH2_ERROR_EAGAIN || (status != 0 && ssh_session_check_broken(channel->session, status)))
        return false;
    if (status != 0)
        end_refused(channel, SSH_CHANNEL_REFUSED);
    else
        channel->state = channel->detached ? CLOSING : EXEC;
    return true;
}

static bool step_exec(struct ssh_channel *channel)
{
    tell_sent(channel);
    int status = libssh2_channel_process_startup(channel->ssh2, channel->startup, (unsigned)strlen(channel->startup),
                                                 channel->what, (unsigned)strlen(channel->what));
    if (status == LIBSSH2_ERROR_EAGAIN || (status != 0 && ssh_session_check_broken(channel->session, status)))
        return false;
    if (status != 0) {
        end_refused(channel, SSH_CHANNEL_REFUSED);
        return true;
    }
    established(channel);
    return true;
}

/* Reads what one stream has, some at a time so that one flood does not starve the others. Both streams are always
 * drained: libssh2 reports no end of file while either holds unread data. */
static bool drain(struct ssh_channel *channel, int stream)
{
    char bytes[READ_BYTES];
    bool moved = false;
    for (int i = 0; i < READS_PER_STEP; i++) {
        ssize_t got = libssh2_channel_read_ex(channel->ssh2, stream, bytes, sizeof bytes);
        if (got < 0 && got != LIBSSH2_ERROR_EAGAIN)
            ssh_session_check_broken(channel->session, (int)got);
        if (got <= 0)
            break;
        moved = true;
        if (!channel->detached)
            channel->request.output(channel->request.arg, stream != 0, bytes, (size_t)got);
    }
    return moved;
}

/* Sends stdin while our buffer and the peer's window take it. A process that does not read it is no error. */
static bool feed(struct ssh_channel *channel)
{
    bool moved = false;
    size_t length = 0;
    const char *bytes = channel->input ? g_bytes_get_data(channel->input, &length) : NULL;
    while (!channel->input_done && channel->input_sent < length && !ssh_session_send_full(channel->session)) {
        size_t chunk = MIN(length - channel->input_sent, WRITE_BYTES);
        ssize_t sent = libssh2_channel_write(channel->ssh2, bytes + channel->input_sent, chunk);
        if (sent == LIBSSH2_ERROR_EAGAIN || sent == 0)
            return moved;
        if (sent < 0) {
            channel->input_done = true;
            return moved;
        }
        channel->input_sent += (size_t)sent;
        moved = true;
    }
    /* A terminal has no end of input to pass on; Dropbear from 2024 hangs up when it is told of one. */
    if (!channel->input_done && channel->input_sent == length && !channel->request.hold &&
        (channel->request.pty || libssh2_channel_send_eof(channel->ssh2) != LIBSSH2_ERROR_EAGAIN)) {
        channel->input_done = true;
        moved = true;
    }
    return moved;
}

void ssh_channel_input(struct ssh_channel *channel, GBytes *bytes, bool last)
{
    if (bytes != NULL && channel->input != NULL && channel->input_sent < g_bytes_get_size(channel->input)) {
        size_t before, after;
        const char *left = g_bytes_get_data(channel->input, &before), *more = g_bytes_get_data(bytes, &after);
        GByteArray *both = g_byte_array_new();
        g_byte_array_append(both, (const guint8 *)left + channel->input_sent, (guint)(before - channel->input_sent));
        g_byte_array_append(both, (const guint8 *)more, (guint)after);
        bytes = g_byte_array_free_to_bytes(both);
    } else if (bytes != NULL) {
        g_bytes_ref(bytes);
    }
    if (bytes != NULL) {
        g_clear_pointer(&channel->input, g_bytes_unref);
        channel->input = bytes;
        channel->input_sent = 0;
    }
    channel->request.hold = !last;
    ssh_session_wake(channel->session);
}

ssize_t ssh_channel_write(struct ssh_channel *channel, const void *bytes, size_t length)
{
    if (channel->state != RUNNING)
        return -EPIPE;
    channel->write_blocked = true;
    if (ssh_session_send_full(channel->session))
        return -EAGAIN;
    ssize_t sent = libssh2_channel_write(channel->ssh2, bytes, MIN(length, WRITE_BYTES));
    ssh_session_wake(channel->session); /* to send it; and libssh2 may have read for others meanwhile */
    if (sent == LIBSSH2_ERROR_EAGAIN || sent == 0)
        return -EAGAIN;
    channel->write_blocked = false;
    return sent > 0 ? sent : -EPIPE;
}

/* Exit status and signal are only final, and only then told apart from "not there yet", after the peer closed. */
static void end_exited(struct ssh_channel *channel)
{
    char *signal = NULL;
    size_t length = 0;
    libssh2_channel_get_exit_signal(channel->ssh2, &signal, &length, NULL, NULL, NULL, NULL);
    g_autofree char *name = signal ? g_strndup(signal, length) : NULL;
    libssh2_free(ssh_session_ssh2(channel->session), signal);
    int code = name ? -1 : libssh2_channel_get_exit_status(channel->ssh2);
    channel->state = CLOSING;
    end(channel, &(struct ssh_channel_end){.outcome = SSH_CHANNEL_EXITED, .code = code, .signal = name});
}

static bool step_running(struct ssh_channel *channel)
{
    bool moved = drain(channel, 0);
    moved |= drain(channel, SSH_EXTENDED_DATA_STDERR);
    if (channel->state != RUNNING)
        return true; /* detached by its own output */
    if (!is_conversation(channel))
        moved |= feed(channel);
    else if (channel->write_blocked)
        channel->request.room(channel->request.arg);
    if (channel->state != RUNNING)
        return true;
    bool over = libssh2_channel_eof(channel->ssh2) == 1 &&
                (!ssh_channel_is_command(channel) || libssh2_channel_wait_closed(channel->ssh2) == 0);
    if (over) {
        end_exited(channel);
        return true;
    }
    return moved;
}

/* The peer answers a close when its process is gone; until then the channel keeps its place among the session's. */
static bool step_closing(struct ssh_channel *channel)
{
    if (channel->ssh2 != NULL && libssh2_channel_free(channel->ssh2) == LIBSSH2_ERROR_EAGAIN)
        return false;
    channel->ssh2 = NULL;
    channel->state = GONE;
    return true;
}

/* The session collects it, and with it the token. */
static bool step_gone(struct ssh_channel *channel)
{
    (void)channel;
    return false;
}

static bool (*const steps[STATE_COUNT])(struct ssh_channel *channel) = {
    [WAITING] = step_waiting, [OPENING] = step_opening, [PTY] = step_pty,   [EXEC] = step_exec,
    [RUNNING] = step_running, [CLOSING] = step_closing, [GONE] = step_gone,
};

bool ssh_channel_step(struct ssh_channel *channel)
{
    return steps[channel->state](channel);
}

bool ssh_channel_is_command(const struct ssh_channel *channel)
{
    return channel->startup != NULL;
}

bool ssh_channel_gone(const struct ssh_channel *channel)
{
    return channel->state == GONE;
}

bool ssh_channel_in_use(const struct ssh_channel *channel)
{
    return !channel->detached;
}

bool ssh_channel_is_waiting(const struct ssh_channel *channel)
{
    return channel->state == WAITING;
}

void ssh_channel_turn_away(struct ssh_channel *channel)
{
    channel->state = GONE;
    end(channel, &(struct ssh_channel_end){
                     .outcome = SSH_CHANNEL_CROWDED, .code = -1, .reason = "it is busy with another connection"});
}

void ssh_channel_lose(struct ssh_channel *channel)
{
    channel->state = GONE;
    channel->ssh2 = NULL; /* freed with the session */
    end(channel, &(struct ssh_channel_end){.outcome = SSH_CHANNEL_LOST, .code = -1});
}

void ssh_channel_free(struct ssh_channel *channel)
{
    if (channel == NULL)
        return;
    if (channel->input != NULL)
        g_bytes_unref(channel->input);
    g_free(channel->what);
    g_free(channel);
}
