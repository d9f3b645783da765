/* server_peer: who is at the other end of a connection, and when it leaves. See server.h.
 *
 * libmicrohttpd takes a suspended connection out of its epoll set, so its end goes unseen until the answer is written.
 * We look ourselves, at a duplicate of the descriptor: which of the two is closed first does not matter then. */
#include "web/server_private.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct server_hangup {
    struct server_request *request;
    struct loop_poll *poll;
    int fd;
    void (*hung_up)(void *arg);
    void *arg;
};

static int descriptor_of(const struct server_request *request)
{
    const union MHD_ConnectionInfo *info =
        request->connection != NULL ? MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
                                    : NULL;
    return info != NULL ? info->connect_fd : -1;
}

pid_t server_peer_pid(const struct server_request *request)
{
    struct ucred peer = {0};
    socklen_t length = sizeof peer;
    int fd = descriptor_of(request);
    return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : 0; /* TCP: 0 */
}

static void on_hangup(void *arg, int events)
{
    (void)events;
    struct server_hangup *hangup = arg;
    void (*hung_up)(void *arg) = hangup->hung_up;
    void *hung_up_arg = hangup->arg;
    hangup_free(g_steal_pointer(&hangup->request->hangup));
    hung_up(hung_up_arg);
}

void hangup_free(struct server_hangup *hangup)
{
    if (hangup == NULL)
        return;
    loop_poll_free(hangup->poll);
    close(hangup->fd);
    g_free(hangup);
}

void server_request_on_hangup(struct server_request *request, void (*hung_up)(void *arg), void *arg)
{
    int fd = descriptor_of(request);
    int copy = fd >= 0 && request->response == NULL ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy < 0) /* answered already, or no descriptors left: then it is seen when the answer is written */
        return;
    hangup_free(request->hangup);
    struct server_hangup *hangup = request->hangup = g_new0(struct server_hangup, 1);
    *hangup = (struct server_hangup){.request = request, .fd = copy, .hung_up = hung_up, .arg = arg};
    hangup->poll = loop_poll_new(request->server->loop, copy, on_hangup, hangup);
    if (hangup->poll != NULL)
        loop_poll_set(hangup->poll, LOOP_HANGUP);
}
