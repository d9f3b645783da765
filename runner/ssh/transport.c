/* transport: see transport.h. Knows no SSH. */
#include "runner/ssh/transport.h"
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_AHEAD_BYTES = 64 * 1024 };

struct ssh_transport {
    int fd; /* -1 when carried */
    struct loop_poll *poll;
    struct ssh_carrier carrier;
    GByteArray *out;
    GByteArray *ahead; /* absorbed, not yet received */
    size_t out_sent;   /* bytes of `out` already written */
    uint64_t received;
    int broken;       /* errno that ended receiving, 0 = none */
    bool send_broken; /* what the peer sent before it left is still read; what we send is dropped */
    int watching;
    void (*ready)(void *arg);
    void *arg;
};

static void socket_event(void *arg, int events)
{
    struct ssh_transport *transport = arg;
    if (events & LOOP_WRITE)
        ssh_transport_flush(transport);
    transport->ready(transport->arg);
}

static void watch(struct ssh_transport *transport)
{
    if (transport->poll == NULL)
        return;
    int wanted = transport->broken ? 0 : LOOP_READ;
    if (!transport->broken && ssh_transport_pending(transport) > 0)
        wanted |= LOOP_WRITE;
    if (wanted == transport->watching)
        return;
    transport->watching = wanted;
    loop_poll_set(transport->poll, wanted);
}

static struct ssh_transport *transport_new(int fd, void (*ready)(void *arg), void *arg)
{
    struct ssh_transport *transport = g_new0(struct ssh_transport, 1);
    transport->fd = fd;
    transport->out = g_byte_array_new();
    transport->ahead = g_byte_array_new();
    transport->ready = ready;
    transport->arg = arg;
    return transport;
}

struct ssh_transport *ssh_transport_new_socket(struct loop *loop, int fd, void (*ready)(void *arg), void *arg)
{
    struct ssh_transport *transport = transport_new(fd, ready, arg);
    transport->poll = loop_poll_new(loop, fd, socket_event, transport);
    watch(transport);
    return transport;
}

struct ssh_transport *ssh_transport_new_carried(const struct ssh_carrier *carrier, void (*ready)(void *arg), void *arg)
{
    struct ssh_transport *transport = transport_new(-1, ready, arg);
    transport->carrier = *carrier;
    return transport;
}

void ssh_transport_free(struct ssh_transport *transport)
{
    if (transport == NULL)
        return;
    loop_poll_free(transport->poll);
    if (transport->fd >= 0)
        close(transport->fd);
    else
        transport->carrier.close(transport->carrier.arg);
    g_byte_array_unref(transport->out);
    g_byte_array_unref(transport->ahead);
    g_free(transport);
}

/* From the socket or the carrier. */
static ssize_t read_some(struct ssh_transport *transport, void *bytes, size_t length)
{
    ssize_t got;
    if (transport->fd >= 0) {
        got = recv(transport->fd, bytes, length, 0);
        if (got < 0)
            got = errno == EINTR ? -EAGAIN : -errno;
    } else {
        got = transport->carrier.receive(transport->carrier.arg, bytes, length);
    }
    if (got > 0)
        transport->received += (uint64_t)got;
    else if (got != -EAGAIN && got != 0)
        transport->broken = (int)-got;
    return got;
}

ssize_t ssh_transport_receive(struct ssh_transport *transport, void *bytes, size_t length)
{
    if (transport->broken)
        return -transport->broken;
    if (transport->ahead->len == 0)
        return read_some(transport, bytes, length);
    guint taken = (guint)MIN(length, transport->ahead->len);
    memcpy(bytes, transport->ahead->data, taken);
    g_byte_array_remove_range(transport->ahead, 0, taken);
    return (ssize_t)taken;
}

bool ssh_transport_absorb(struct ssh_transport *transport)
{
    while (!transport->broken && transport->ahead->len < MAX_AHEAD_BYTES) {
        uint8_t bytes[4096];
        ssize_t got = read_some(transport, bytes, sizeof bytes);
        if (got == -EAGAIN)
            return true;
        if (got <= 0)
            return false;
        g_byte_array_append(transport->ahead, bytes, (guint)got);
    }
    return false;
}

ssize_t ssh_transport_send(struct ssh_transport *transport, const void *bytes, size_t length)
{
    if (transport->broken)
        return -transport->broken;
    if (!transport->send_broken)
        g_byte_array_append(transport->out, bytes, (guint)length);
    return (ssize_t)length;
}

static ssize_t write_some(struct ssh_transport *transport, const uint8_t *bytes, size_t length)
{
    if (transport->fd < 0)
        return transport->carrier.send(transport->carrier.arg, bytes, length);
    ssize_t sent = send(transport->fd, bytes, length, MSG_NOSIGNAL);
    return sent >= 0 ? sent : errno == EINTR ? -EAGAIN : -errno;
}

void ssh_transport_flush(struct ssh_transport *transport)
{
    while (!transport->broken && ssh_transport_pending(transport) > 0) {
        ssize_t sent =
            write_some(transport, transport->out->data + transport->out_sent, ssh_transport_pending(transport));
        if (sent == -EAGAIN)
            break;
        if (sent < 0) {
            transport->send_broken = true;
            transport->out_sent = transport->out->len;
        } else {
            transport->out_sent += (size_t)sent;
        }
    }
    if (ssh_transport_pending(transport) == 0) {
        g_byte_array_set_size(transport->out, 0);
        transport->out_sent = 0;
    }
    watch(transport);
}

void ssh_transport_ready(struct ssh_transport *transport)
{
    ssh_transport_flush(transport);
    transport->ready(transport->arg);
}

void ssh_transport_kill(struct ssh_transport *transport)
{
    if (!transport->broken)
        transport->broken = ECONNABORTED;
    watch(transport);
}

size_t ssh_transport_pending(const struct ssh_transport *transport)
{
    return transport->out->len - transport->out_sent;
}

uint64_t ssh_transport_received(const struct ssh_transport *transport)
{
    return transport->received;
}

int ssh_transport_fd(const struct ssh_transport *transport)
{
    return transport->fd >= 0 ? transport->fd : transport->carrier.fd(transport->carrier.arg);
}

int ssh_transport_errno(const struct ssh_transport *transport)
{
    return transport->broken;
}
