/* tunnel: see tunnel.h. Every hop is a session of the pool: hosts behind one bastion share its connection. */
#include "runner/ssh/tunnel.h"
#include "core/errors.h"
#include "runner/ssh/pool.h"
#include <errno.h>
#include <string.h>

struct ssh_tunnel {
    struct ssh_pool *pool;
    struct ssh_target *jump;
    char *address;
    uint16_t port;
    struct ssh_request request;
    struct ssh_session *session; /* while channel is not NULL */
    struct ssh_channel *channel;
    struct loop_timer *start; /* so that done never comes from within start */
    GByteArray *in;           /* received, not yet taken; the rider takes it in its next turn */
    bool over;                /* the peer closed, or its session was lost */
    bool told;
    void (*begun)(void *arg);
    void (*done)(void *arg, const GError *error);
    void *done_arg; /* of both */
    void (*moved)(void *arg);
    void *moved_arg;
};

void ssh_tunnel_free(struct ssh_tunnel *tunnel)
{
    if (tunnel == NULL)
        return;
    ssh_pool_request_cancel(&tunnel->request);
    if (tunnel->channel != NULL)
        ssh_channel_detach(tunnel->channel);
    loop_timer_free(tunnel->start);
    g_byte_array_unref(tunnel->in);
    ssh_target_unref(tunnel->jump);
    g_free(tunnel->address);
    g_free(tunnel);
}

static void tell(struct ssh_tunnel *tunnel, const GError *error)
{
    tunnel->told = true;
    tunnel->done(tunnel->done_arg, error);
}

static void opened(void *arg)
{
    tell(arg, NULL);
}

static void move(struct ssh_tunnel *tunnel)
{
    if (tunnel->moved != NULL)
        tunnel->moved(tunnel->moved_arg);
}

static void room(void *arg)
{
    move(arg);
}

static void output(void *arg, bool is_stderr, const char *bytes, size_t length)
{
    struct ssh_tunnel *tunnel = arg;
    if (is_stderr)
        return; /* a connection has one stream */
    g_byte_array_append(tunnel->in, (const guint8 *)bytes, (guint)length);
    move(tunnel);
}

static void ended(void *arg, const struct ssh_channel_end *end)
{
    struct ssh_tunnel *tunnel = arg;
    tunnel->channel = NULL;
    tunnel->over = true;
    if (tunnel->told) {
        move(tunnel);
        return;
    }
    if (end->outcome == SSH_CHANNEL_LOST || end->outcome == SSH_CHANNEL_CROWDED) { /* nothing was sent through it yet */
        bool crowded = end->outcome == SSH_CHANNEL_CROWDED;
        ssh_pool_request_again(tunnel->pool, &tunnel->request, crowded ? tunnel->session : NULL,
                               g_error_new(HIKESHI_ERROR, ERROR_CONNECT, "the connection to %s %s", tunnel->jump->label,
                                           crowded ? end->reason : "broke"));
        return;
    }
    g_autoptr(GError) error = g_error_new(
        HIKESHI_ERROR, ERROR_CONNECT,
        "%s did not connect to %s port %u: %s. Is the host up, and does that sshd forward (AllowTcpForwarding)?",
        tunnel->jump->label, tunnel->address, tunnel->port, end->reason ? end->reason : "it closed at once");
    tell(tunnel, error);
}

static void asked(void *arg)
{
    struct ssh_tunnel *tunnel = arg;
    tunnel->begun(tunnel->done_arg);
}

static void session_ready(void *arg, struct ssh_session *session)
{
    struct ssh_tunnel *tunnel = arg;
    const struct ssh_channel_request request = {.address = tunnel->address,
                                                .port = tunnel->port,
                                                .sent = asked,
                                                .opened = opened,
                                                .room = room,
                                                .output = output,
                                                .ended = ended,
                                                .arg = tunnel};
    tunnel->over = false;
    tunnel->session = session;
    tunnel->channel = ssh_channel_start(session, &request);
}

static void session_failed(void *arg, const GError *error)
{
    tell(arg, error);
}

static void start(void *arg)
{
    struct ssh_tunnel *tunnel = arg;
    ssh_pool_request(tunnel->pool, tunnel->jump, &tunnel->request);
}

struct ssh_tunnel *ssh_tunnel_start(struct ssh_pool *pool, struct ssh_target *jump, const char *address, uint16_t port,
                                    void (*begun)(void *arg), void (*done)(void *arg, const GError *error), void *arg)
{
    struct ssh_tunnel *tunnel = g_new0(struct ssh_tunnel, 1);
    tunnel->pool = pool;
    tunnel->jump = ssh_target_ref(jump);
    tunnel->address = g_strdup(address);
    tunnel->port = port;
    tunnel->begun = begun;
    tunnel->done = done;
    tunnel->done_arg = arg;
    tunnel->in = g_byte_array_new();
    tunnel->request =
        (struct ssh_request){.ready = session_ready, .failed = session_failed, .arg = tunnel, .tunnel = true};
    tunnel->start = loop_timer_new(ssh_pool_loop(pool), start, tunnel);
    loop_timer_start(tunnel->start, 0, 0);
    return tunnel;
}

/* ---- as carrier ---- */

static ssize_t carrier_receive(void *arg, void *bytes, size_t length)
{
    struct ssh_tunnel *tunnel = arg;
    if (tunnel->in->len == 0)
        return tunnel->over ? 0 : -EAGAIN;
    guint taken = (guint)MIN(length, tunnel->in->len);
    memcpy(bytes, tunnel->in->data, taken);
    g_byte_array_remove_range(tunnel->in, 0, taken);
    return (ssize_t)taken;
}

static ssize_t carrier_send(void *arg, const void *bytes, size_t length)
{
    struct ssh_tunnel *tunnel = arg;
    return tunnel->channel ? ssh_channel_write(tunnel->channel, bytes, length) : -EPIPE;
}

static void carrier_close(void *arg)
{
    ssh_tunnel_free(arg);
}

static int carrier_fd(void *arg)
{
    const struct ssh_tunnel *tunnel = arg;
    return tunnel->channel ? ssh_session_fd(tunnel->session) : -1;
}

struct ssh_carrier ssh_tunnel_carrier(struct ssh_tunnel *tunnel, void (*moved)(void *arg), void *arg)
{
    tunnel->moved = moved;
    tunnel->moved_arg = arg;
    return (struct ssh_carrier){carrier_receive, carrier_send, carrier_close, carrier_fd, tunnel};
}
