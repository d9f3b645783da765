/* server_linger: the end of a connection whose request was answered before its body. See server.h.
 *
 * Closing a socket that holds unread bytes resets it, and a client that still sends then never reads its answer. So we
 * read and drop at a duplicate of the descriptor, for a moment, while libmicrohttpd sends the answer and closes its
 * own. It reads no more once it has the answer to a POST or PUT; of other methods it takes the body itself. */
#include "web/server_private.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_MS    2000
#define LINGER_BYTES ((size_t)LIMIT_WEBHOOK_BODY_BYTES)
#define BLOCK_BYTES  ((size_t)64 * 1024)

struct server_linger {
    struct server *server;
    struct server_request *request; /* NULL once libmicrohttpd has closed its descriptor */
    struct loop_poll *poll;
    struct loop_timer *timer;
    int fd;
    size_t left; /* that may still come */
};

static void linger_free(void *data)
{
    struct server_linger *linger = data;
    if (linger->request != NULL)
        linger->request->linger = NULL;
    loop_poll_free(linger->poll);
    loop_timer_free(linger->timer);
    close(linger->fd);
    g_free(linger);
}

static void linger_end(void *arg)
{
    struct server_linger *linger = arg;
    g_ptr_array_remove_fast(linger->server->lingers, linger);
}

static void on_readable(void *arg, int events)
{
    (void)events;
    struct server_linger *linger = arg;
    char block[BLOCK_BYTES];
    ssize_t length = recv(linger->fd, block, MIN(sizeof block, linger->left), MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    linger->left -= length > 0 ? (size_t)length : 0;
    if (length <= 0 || linger->left == 0)
        linger_end(linger);
}

GPtrArray *lingers_new(void)
{
    return g_ptr_array_new_with_free_func(linger_free);
}

void linger_start(struct server_request *request)
{
    struct server *server = request->server;
    bool ours = strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    int fd = ours && info != NULL && server->lingers->len < LIMIT_HTTP_LINGERING
                 ? fcntl(info->connect_fd, F_DUPFD_CLOEXEC, 0)
                 : -1;
    if (fd < 0)
        return; /* then it may be reset */
    struct server_linger *linger = request->linger = g_new0(struct server_linger, 1);
    *linger = (struct server_linger){.server = server, .request = request, .fd = fd, .left = LINGER_BYTES};
    linger->timer = loop_timer_new(server->loop, linger_end, linger);
    loop_timer_start(linger->timer, LINGER_MS, 0);
    linger->poll = loop_poll_new(server->loop, fd, on_readable, linger);
    g_ptr_array_add(server->lingers, linger);
    if (linger->poll != NULL)
        loop_poll_set(linger->poll, LOOP_READ);
}

void linger_answered(struct server_linger *linger)
{
    if (linger == NULL)
        return;
    linger->request = NULL;
    (void)shutdown(linger->fd, SHUT_WR); /* the client sees the end of the answer, and ends too */
}
