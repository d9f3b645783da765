/* server_fixture: a server on a real socket that answers by path, and a client that says raw bytes. For the tests of
 * web/server*.c; include once, from a test's only file. */
#ifndef TESTS_UNIT_SERVER_FIXTURE_H
#define TESTS_UNIT_SERVER_FIXTURE_H

#include "core/errors.h"
#include "core/limits.h"
#include "tests/unit/support.h"
#include "web/server.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- the server under test: answers by path
 * -------------------------------------------------------------------------------- */

struct fixture {
    struct loop *loop;
    struct server *server;
    char *address, *folder;
    int asked, handled; /* calls of admit and of the handler */
    struct server_budget budget;
    struct server_request *held; /* the last request of /later */
    struct server_stream *stream;
    int closed; /* streams whose closed() came */
    int hangups;
    pid_t peer; /* of the last request of /poll */
    char *last_path;
};

static inline void on_closed(void *arg)
{
    struct fixture *f = arg;
    f->closed++;
    f->stream = NULL;
}

static inline void on_hangup(void *arg)
{
    struct fixture *f = arg;
    f->hangups++;
    server_answer(f->held, 204, NULL, NULL, "", 0);
    server_request_unref(g_steal_pointer(&f->held));
}

static inline void hold(struct fixture *f, struct server_request *request)
{
    f->held = server_request_ref(request);
    f->peer = server_peer_pid(request);
    server_request_on_hangup(request, on_hangup, f);
}

static inline void echo(struct server_request *request)
{
    size_t length = 0;
    const char *body = server_body(request, &length);
    g_autofree char *text = g_strdup_printf("%s %s %zu %s peer=%s q=%s", server_method(request), server_path(request),
                                            length, length < 100 ? body : "...", server_peer(request),
                                            server_query(request, "q") != NULL ? server_query(request, "q") : "-");
    server_answer(request, 200, "text/plain", (const char *const[]){"X-Test: yes", NULL}, text, strlen(text));
}

static inline void handle(void *arg, struct server_request *request)
{
    struct fixture *f = arg;
    f->handled++;
    g_free(f->last_path);
    f->last_path = g_strdup(server_raw_path(request));
    if (strcmp(server_path(request), "/later") == 0)
        f->held = server_request_ref(request);
    else if (strcmp(server_path(request), "/poll") == 0)
        hold(f, request);
    else if (strcmp(server_path(request), "/stream") == 0)
        f->stream = server_stream_new(request, on_closed, f);
    else
        echo(request);
}

static inline void admit(void *arg, struct server_request *request)
{
    struct fixture *f = arg;
    const char *path = server_path(request);
    f->asked++;
    if (strcmp(path, "/refused") == 0)
        server_answer_problem(request, 401, "unauthenticated", "who are you?", NULL);
    else if (strcmp(path, "/wait") == 0)
        f->held = server_request_ref(request);
    else
        server_admit(request, strcmp(path, "/small") == 0 ? 10 : 100000, &f->budget);
}

static inline int setup(void **state)
{
    struct fixture *f = g_new0(struct fixture, 1);
    f->loop = loop_new();
    const struct server_options options = {.listen = "127.0.0.1:0", .admit = admit, .handler = handle, .arg = f};
    f->budget.most = 200000;
    g_autoptr(GError) error = NULL;
    f->server = server_new(f->loop, &options, &error);
    if (f->server == NULL)
        fail_msg("%s", error->message);
    f->address = server_address(f->server);
    f->folder = g_dir_make_tmp("hikeshi-server-XXXXXX", NULL);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    server_free(f->server);
    server_request_unref(f->held);
    loop_free(f->loop);
    g_rmdir(f->folder);
    g_free(f->folder);
    g_free(f->address);
    g_free(f->last_path);
    g_free(f);
    return 0;
}

/* --- a client
 * ---------------------------------------------------------------------------------------------------------------- */

struct client {
    struct fixture *f;
    int fd;
    struct loop_poll *poll;
    GString *in;
    bool closed;
};

static inline void on_client_readable(void *arg, int events)
{
    (void)events;
    struct client *client = arg;
    char buffer[65536];
    ssize_t length = read(client->fd, buffer, sizeof buffer);
    if (length > 0)
        g_string_append_len(client->in, buffer, length);
    else if (length == 0 || errno != EAGAIN) {
        client->closed = true;
        loop_poll_set(client->poll, 0);
    }
}

static inline struct client *client_new(struct fixture *f, int family, const struct sockaddr *address, socklen_t length)
{
    struct client *client = g_new0(struct client, 1);
    client->f = f;
    client->in = g_string_new(NULL);
    client->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client->fd, address, length), 0);
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    client->poll = loop_poll_new(f->loop, client->fd, on_client_readable, client);
    loop_poll_set(client->poll, LOOP_READ);
    return client;
}

static inline struct client *connect_to(struct fixture *f, const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    return client_new(f, AF_INET, (struct sockaddr *)&to, sizeof to);
}

static inline void client_free(struct client *client)
{
    loop_poll_free(client->poll);
    close(client->fd);
    g_string_free(client->in, TRUE);
    g_free(client);
}

/* Writes everything, letting the server read between the pieces. A reset ends it quietly: the server may refuse early.
 */
static inline void put(struct client *client, const char *bytes, size_t length)
{
    while (length > 0 && !client->closed) {
        ssize_t written = send(client->fd, bytes, length, MSG_NOSIGNAL);
        if (written < 0 && errno != EAGAIN)
            return;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
        loop_step(client->f->loop);
    }
}

static inline void say(struct client *client, const char *text)
{
    put(client, text, strlen(text));
}

/* Runs the loop until `text` has arrived; fails when the connection closes first. */
static inline void expect(struct client *client, const char *text)
{
    while (strstr(client->in->str, text) == NULL && !client->closed)
        loop_step(client->f->loop);
    if (strstr(client->in->str, text) == NULL)
        fail_msg("closed before '%s' came; got '%s'", text, client->in->str);
}

static inline void expect_closed(struct client *client)
{
    while (!client->closed)
        loop_step(client->f->loop);
}

static inline unsigned count(const char *text, const char *needle)
{
    unsigned found = 0;
    for (const char *at = text; (at = strstr(at, needle)) != NULL; at += strlen(needle))
        found++;
    return found;
}

#endif
