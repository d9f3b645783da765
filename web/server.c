/* server: the daemon and its place on the loop. See server.h; exchanges are in server_request.c, streams in
 * server_stream.c.
 *
 * libmicrohttpd runs with epoll and without a thread: its epoll descriptor is one descriptor of our loop. Waking a
 * suspended exchange only marks it and asks for a run in the next turn of the loop, so that any number of answers given
 * in one turn cost one MHD_run(). */
#include "web/server.h"
#include "core/errors.h"
#include "web/listen.h"
#include "web/server_private.h"
#include <string.h>
#include <unistd.h>

/* MHD_run() ends with work left (buffered, pipelined requests); so often we go on before other parts of the loop get a
 * turn. */
#define RUNS_A_TURN  8
#define HEARTBEAT_MS 15000

/* Sleeps until the daemon's next deadline. A timer that fires too early only costs one idle run, so a running one is
 * moved only when the deadline came nearer: no timer work a request. */
static void arm_timer(struct server *server, uint64_t timeout_ms)
{
    uint64_t due_ms = loop_now_ms(server->loop) + timeout_ms;
    if (loop_timer_active(server->timer) && server->timer_due_ms <= due_ms)
        return;
    server->timer_due_ms = due_ms;
    loop_timer_start(server->timer, timeout_ms, 0);
}

static void run_daemon(struct server *server)
{
    for (int i = 0; i < RUNS_A_TURN; i++) {
        MHD_run(server->daemon);
        MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
        if (MHD_get_timeout(server->daemon, &timeout_ms) != MHD_YES)
            return;
        if (timeout_ms > 0) {
            arm_timer(server, timeout_ms);
            return;
        }
    }
    arm_timer(server, 0);
}

void server_resume(struct server *server, struct MHD_Connection *connection)
{
    MHD_resume_connection(connection);
    arm_timer(server, 0);
}

static void on_readable(void *arg, int events)
{
    (void)events;
    run_daemon(arg);
}

static void on_timer(void *arg)
{
    run_daemon(arg);
}

/* Refuse what RFC 9112 calls malformed (no Host, bare LF, ...); the option was renamed. */
#if MHD_VERSION >= 0x00097701
#define STRICTNESS MHD_OPTION_CLIENT_DISCIPLINE_LVL
#else
#define STRICTNESS MHD_OPTION_STRICT_FOR_CLIENT
#endif

static struct MHD_Daemon *start_daemon(struct server *server, int listen_fd)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME, 0, connection_accept, server, request_access, server,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listen_fd, MHD_OPTION_URI_LOG_CALLBACK, request_begin, server,
        MHD_OPTION_NOTIFY_COMPLETED, request_over, server, MHD_OPTION_NOTIFY_CONNECTION, connection_notify, server,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIMIT_HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(SERVER_IDLE_MS / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_HTTP_HEADER_BYTES,
        STRICTNESS, 1, MHD_OPTION_END);
}

static int open_socket(struct server *server, const struct server_options *options, GError **error)
{
    if ((options->listen != NULL) == (options->unix_socket != NULL)) {
        errors_set(error, ERROR_INVALID, "a server listens on one address or one socket");
        return -1;
    }
    if (options->listen != NULL)
        return listen_tcp(options->listen, &server->address, error);
    int fd = listen_unix(options->unix_socket, error);
    if (fd >= 0) {
        server->address = g_strdup(options->unix_socket);
        server->socket_path = g_strdup(options->unix_socket);
    }
    return fd;
}

static bool read_unlimited(struct server *server, const char *const *texts, GError **error)
{
    for (; texts != NULL && *texts != NULL; texts++) {
        struct address_range network;
        if (!address_range_parse(*texts, &network, error))
            return false;
        g_array_append_val(server->unlimited, network);
    }
    return true;
}

struct server *server_new(struct loop *loop, const struct server_options *options, GError **error)
{
    struct server *server = g_new0(struct server, 1);
    server->loop = loop;
    server->options = *options;
    server->options.listen = server->options.unix_socket = NULL;
    server->options.unlimited = NULL;
    server->unlimited = g_array_new(FALSE, FALSE, sizeof(struct address_range));
    server->peers = peers_new();
    server->lingers = lingers_new();
    server->sweep = loop_timer_new(loop, connections_sweep, server);
    g_queue_init(&server->streams);
    int listen_fd = read_unlimited(server, options->unlimited, error) ? open_socket(server, options, error) : -1;
    if (listen_fd < 0)
        goto fail;
    server->daemon = start_daemon(server, listen_fd);
    const union MHD_DaemonInfo *info =
        server->daemon != NULL ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL) {
        errors_set(error, ERROR_INTERNAL, "cannot start the HTTP server on '%s'", server->address);
        if (server->daemon == NULL)
            close(listen_fd);
        goto fail;
    }
    server->timer = loop_timer_new(loop, on_timer, server);
    server->heartbeat = loop_timer_new(loop, streams_heartbeat, server);
    loop_timer_start(server->heartbeat, HEARTBEAT_MS, HEARTBEAT_MS);
    server->farewell = loop_timer_new(loop, streams_farewell, server);
    server->poll = loop_poll_new(loop, info->epoll_fd, on_readable, server);
    loop_poll_set(server->poll, LOOP_READ);
    return server;
fail:
    server_free(server);
    return NULL;
}

char *server_address(const struct server *server)
{
    return g_strdup(server->address);
}

void server_quiesce(struct server *server)
{
    MHD_socket fd = MHD_quiesce_daemon(server->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
    if (server->socket_path != NULL)
        (void)unlink(server->socket_path);
    g_clear_pointer(&server->socket_path, g_free);
}

/* libmicrohttpd refuses to stop while an exchange is suspended: all are woken first; stopping then ends them. */
static void wake_all(struct server *server)
{
    for (struct server_request *request = server->exchanges; request != NULL; request = request->next) {
        bool pending = request->phase == REQUEST_PENDING && !request->admitted;
        if ((request->phase == REQUEST_SUSPENDED || pending) && request->response == NULL)
            server_resume(server, request->connection);
        else if (request->stream != NULL)
            stream_release(request->stream);
    }
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    server->stopping = true;
    loop_poll_free(server->poll);
    if (server->daemon != NULL) {
        wake_all(server);
        MHD_stop_daemon(server->daemon);
    }
    if (server->farewell != NULL)
        streams_farewell(server);
    loop_timer_free(server->timer);
    loop_timer_free(server->heartbeat);
    loop_timer_free(server->farewell);
    loop_timer_free(server->sweep);
    g_ptr_array_unref(server->lingers);
    g_hash_table_unref(server->peers);
    g_array_unref(server->unlimited);
    if (server->socket_path != NULL)
        (void)unlink(server->socket_path);
    g_free(server->socket_path);
    g_free(server->address);
    g_free(server);
}

void server_metrics(const struct server *server, json_t *metrics)
{
    json_object_set_new(metrics, "hikeshi_http_connections", json_integer((json_int_t)server->connection_count));
    json_object_set_new(metrics, "hikeshi_http_body_bytes", json_integer((json_int_t)server->body_bytes));
    json_object_set_new(metrics, "hikeshi_http_connections_refused_total",
                        json_integer((json_int_t)server->refused_connections));
    json_object_set_new(metrics, "hikeshi_http_requests_late_total", json_integer((json_int_t)server->late_requests));
}
