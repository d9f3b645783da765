/* server_connection: who may connect, how many from one address, and how long a request may take to arrive. See
 * server.h.
 *
 * libmicrohttpd's own time-out begins anew with every byte, so a client that sends one a minute would stay for ever.
 * Here the time of a phase is absolute. A late connection is shut down, without an answer: senders take a closed
 * connection for a fault of the network and try again, and a 408 for a refusal. */
#include "core/log.h"
#include "web/server_private.h"
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

/* How often late connections are looked for, at most and at least; a tenth of the time-out in between. */
#define LOOK_LEAST_MS 10u
#define LOOK_MOST_MS  1000u

enum phase {
    CONNECTION_NEW,       /* nothing has come yet */
    CONNECTION_IDLE,      /* between two requests */
    CONNECTION_RECEIVING, /* a request has begun */
    CONNECTION_ANSWERING, /* it is there: from here on we are the slow ones */
    CONNECTION_LATE,      /* shut down; libmicrohttpd will see it */
};

struct server_connection {
    struct server *server;
    struct server_peer *peer; /* NULL: not counted */
    int fd;                   /* libmicrohttpd's */
    enum phase phase;
    uint64_t since_ms;                      /* loop time, of the phase */
    struct server_connection *next, **link; /* in server->connections */
};

/* --- addresses
 * --------------------------------------------------------------------------------------------------------------- */

static guint hash_address(gconstpointer key)
{
    const struct address *address = key;
    guint hash = 5381;
    for (size_t i = 0; i < sizeof address->bytes; i++)
        hash = hash * 33 + address->bytes[i];
    return hash;
}

static gboolean same_address(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(struct address)) == 0;
}

GHashTable *peers_new(void)
{
    return g_hash_table_new_full(hash_address, same_address, NULL, g_free);
}

/* Whose connections are counted: not those of Unix sockets and of networks that are let through. */
static bool is_counted(const struct server *server, const struct sockaddr *from, struct address *ret)
{
    struct address address;
    if (server->options.connections_per_address == 0 || !address_of(from, &address))
        return false;
    for (guint i = 0; i < server->unlimited->len; i++)
        if (address_range_has(&g_array_index(server->unlimited, struct address_range, i), &address))
            return false;
    *ret = address_subscriber(&address);
    return true;
}

static void tell(struct server_peer *peer)
{
    char text[INET6_ADDRSTRLEN] = "?";
    inet_ntop(AF_INET6, peer->address.bytes, text, sizeof text);
    if (!peer->told)
        log_warn("too many connections from one address: more are closed at once", "address", text, NULL);
    peer->told = true;
}

enum MHD_Result connection_accept(void *arg, const struct sockaddr *from, socklen_t length)
{
    (void)length;
    struct server *server = arg;
    struct address address;
    struct server_peer *peer = is_counted(server, from, &address) ? g_hash_table_lookup(server->peers, &address) : NULL;
    if (peer == NULL || peer->connections < server->options.connections_per_address)
        return MHD_YES;
    server->refused_connections++;
    tell(peer);
    return MHD_NO;
}

static struct server_peer *peer_enter(struct server *server, const struct sockaddr *from)
{
    struct address address;
    if (!is_counted(server, from, &address))
        return NULL;
    struct server_peer *peer = g_hash_table_lookup(server->peers, &address);
    if (peer == NULL) {
        peer = g_new0(struct server_peer, 1);
        peer->address = address;
        g_hash_table_insert(server->peers, &peer->address, peer);
    }
    peer->connections++;
    return peer;
}

static void peer_leave(struct server *server, struct server_peer *peer)
{
    if (peer != NULL && --peer->connections == 0)
        g_hash_table_remove(server->peers, &peer->address);
}

/* --- connections
 * --------------------------------------------------------------------------------------------------------------- */

static void arm_sweep(struct server *server)
{
    uint64_t every_ms = CLAMP(server->options.request_timeout_ms / 10, LOOK_LEAST_MS, LOOK_MOST_MS);
    if (server->options.request_timeout_ms > 0)
        loop_timer_start(server->sweep, every_ms, every_ms);
}

static struct server_connection *connection_new(struct server *server, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct server_connection *connection = g_new0(struct server_connection, 1);
    connection->server = server;
    connection->peer = peer_enter(server, info != NULL ? info->client_addr : NULL);
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    connection->fd = info != NULL ? info->connect_fd : -1;
    connection->since_ms = loop_now_ms(server->loop);
    connection->next = server->connections;
    if (connection->next != NULL)
        connection->next->link = &connection->next;
    else
        arm_sweep(server);
    connection->link = &server->connections;
    server->connections = connection;
    server->connection_count++;
    return connection;
}

static void connection_free(struct server_connection *connection)
{
    struct server *server = connection->server;
    *connection->link = connection->next;
    if (connection->next != NULL)
        connection->next->link = connection->link;
    if (server->connections == NULL)
        loop_timer_stop(server->sweep);
    server->connection_count--;
    peer_leave(server, connection->peer);
    g_free(connection);
}

void connection_notify(void *arg, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *context = connection_new(arg, mhd);
    else if (*context != NULL)
        connection_free(g_steal_pointer(context));
}

struct server_connection *connection_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

struct server_peer *connection_peer(const struct server_connection *connection)
{
    return connection->peer;
}

static void set_phase(struct server_connection *connection, enum phase phase)
{
    if (connection->phase == CONNECTION_LATE)
        return;
    connection->phase = phase;
    connection->since_ms = loop_now_ms(connection->server->loop);
}

void connection_receives(struct server_connection *connection)
{
    set_phase(connection, CONNECTION_RECEIVING);
}

void connection_received(struct server_connection *connection)
{
    set_phase(connection, CONNECTION_ANSWERING);
}

void connection_rests(struct server_connection *connection)
{
    set_phase(connection, CONNECTION_IDLE);
}

/* --- time
 * ----------------------------------------------------------------------------------------------------------------- */

static bool is_late(const struct server_connection *connection, uint64_t now_ms)
{
    uint64_t limit_ms = connection->server->options.request_timeout_ms;
    if (connection->phase == CONNECTION_ANSWERING || connection->phase == CONNECTION_LATE)
        return false;
    if (connection->phase == CONNECTION_IDLE) /* the first line of a request, too, may come one byte a minute */
        limit_ms = MAX(limit_ms, SERVER_IDLE_MS);
    return now_ms - connection->since_ms >= limit_ms;
}

void connections_sweep(void *arg)
{
    struct server *server = arg;
    uint64_t now_ms = loop_now_ms(server->loop);
    for (struct server_connection *connection = server->connections; connection != NULL;
         connection = connection->next) {
        if (!is_late(connection, now_ms))
            continue;
        server->late_requests += connection->phase == CONNECTION_RECEIVING;
        connection->phase = CONNECTION_LATE;
        (void)shutdown(connection->fd, SHUT_RDWR);
    }
}
