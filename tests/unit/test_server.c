/* server: what arrives on real sockets: framing, refusals, bodies, pipelining, suspended answers, clients that leave,
 * streams. */
#include "tests/unit/server_fixture.h"

/* --- tests
 * -------------------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *why, *request, *wanted;
    bool closes, handled;
} exchanges[] = {
    {"plain", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a 0", false, true},
    {"body", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "POST /a 5 hello", false, true},
    {"chunked body in two pieces",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
     "POST /a 5 hello", false, true},
    {"escapes are decoded once", "GET /a%20b%2520?q=%26 HTTP/1.1\r\nHost: x\r\n\r\n",
     "GET /a b%20 0  peer=127.0.0.1 q=&", false, true},
    {"an absolute target", "GET http://x/a?q=1 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a 0  peer=127.0.0.1 q=1", false,
     true},
    {"HTTP/1.0", "GET /a HTTP/1.0\r\n\r\n", "GET /a 0", true, true},
    {"our header", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "X-Test: yes", false, true},
    {"never cached", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "Cache-Control: no-store", false, true},
    {"never sniffed", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "X-Content-Type-Options: nosniff", false, true},
    {"both lengths", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "400 ", true, false},
    {"both lengths, the other way",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", "400 ", true,
     false},
    {"two lengths", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400 ", true,
     false},
    {"two equal lengths", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400 ",
     true, false},
    {"a list of lengths", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello", "400 ", true, false},
    {"a signed length", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", "400 ", true, false},
    {"a negative length", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello", "400 ", true, false},
    {"unknown coding", "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400 ", true,
     false},
    {"coding twice",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
     "400 ", true, false},
    {"chunked in HTTP/1.0", "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 ", true,
     false},
    {"space before the colon", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello", "400 ", true, false},
    {"a name with a bracket", "GET /a HTTP/1.1\r\nHost: x\r\nX(y): 1\r\n\r\n", "400 ", true, false},
    {"a name with a tab", "GET /a HTTP/1.1\r\nHost: x\r\nX\ty: 1\r\n\r\n", "400 ", true, false},
    {"an empty length", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", "400 ", true, false},
    {"a length in hex", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello", "400 ", true, false},
    {"a length with a tail", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5 5\r\n\r\nhello", "400 ", true, false},
    {"a length over 64 bits", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
     "413 ", true, false},
    {"no version and a coding", "POST /a\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", true, false},
    {"a version to come", "GET /a HTTP/2.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 ", true, false},
    {"a chunk that is larger than any",
     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "", true, false},
    {"every server", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "400 ", true, false},
    {"a tunnel", "CONNECT x:22 HTTP/1.1\r\nHost: x\r\n\r\n", "400 ", true, false},
    {"no Host", "GET /a HTTP/1.1\r\n\r\n", "400 ", true, false},
    {"two Hosts", "GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400 ", true, false},
    {"NUL in the path", "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", "400 ", true, false},
    {"a path without /", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", "400 ", true, false},
    {"declared too large", "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world", "413 ", false,
     false},
    {"declared far too large", "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n", "413 ", true,
     false},
    {"too large and asks first",
     "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n", "413 ", true, false},
    {"asks first", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi", "POST /a 2 hi",
     false, true},
    {"too large when it comes",
     "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n", "413 ",
     false, false},
    {"exactly the limit", "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789",
     "POST /small 10 0123456789", false, true},
};

static void test_exchanges(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(exchanges); i++) {
        struct client *client = connect_to(f, f->address);
        int handled = f->handled;
        say(client, exchanges[i].request);
        while (strstr(client->in->str, exchanges[i].wanted) == NULL && !client->closed)
            loop_step(f->loop);
        if (strstr(client->in->str, exchanges[i].wanted) == NULL)
            row_failed(exchanges[i].why, "wanted '%s', got '%s'", exchanges[i].wanted, client->in->str);
        if ((f->handled > handled) != exchanges[i].handled)
            row_failed(exchanges[i].why, "the handler was %scalled", exchanges[i].handled ? "not " : "");
        if (exchanges[i].closes) {
            expect_closed(client);
        } else {
            /* The connection is usable: nothing of the request was left behind or taken too much. */
            g_string_truncate(client->in, 0);
            say(client, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
            expect(client, "GET /next 0");
        }
        client_free(client);
    }
}

static void test_refusals_are_problems(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world");
    expect(client, "\"code\":\"too_large\"");
    expect(client, "application/problem+json");
    client_free(client);
}

static void test_head_has_no_body(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "GET /b 0");
    assert_null(strstr(client->in->str, "HEAD /a"));
    assert_int_equal(count(client->in->str, "HTTP/1.1 200"), 2);
    client_free(client);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    g_autoptr(GString) requests = g_string_new(NULL);
    for (int i = 0; i < 50; i++)
        g_string_append_printf(requests, "POST /p%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", i);
    say(client, requests->str);
    expect(client, "POST /p49 3 abc");
    const char *at = client->in->str;
    for (int i = 0; i < 50; i++) {
        g_autofree char *wanted = g_strdup_printf("POST /p%d 3", i);
        at = strstr(at, wanted);
        assert_non_null(at);
    }
    client_free(client);
}

static void test_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    const char *request = "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    for (const char *p = request; *p != '\0'; p++)
        put(client, p, 1);
    expect(client, "POST /slow 5 hello");
    client_free(client);
}

static void test_large_body_arrives_whole(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    g_autofree char *body = g_malloc(100000);
    memset(body, 'x', 100000);
    say(client, "POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    put(client, body, 100000);
    expect(client, "POST /large 100000");
    client_free(client);
}

static void test_far_too_large_body_reads_its_answer(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    g_autofree char *body = g_malloc0(300000);
    say(client, "POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n");
    put(client, body, 300000);
    expect(client, "413 ");
    assert_int_equal(f->handled, 0);
    client_free(client);
}

static void test_endless_chunks_are_cut(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100 && !client->closed; i++)
        say(client, "10\r\n0123456789abcdef\r\n");
    expect_closed(client);
    client_free(client);
}

static void test_headers_over_the_limit(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    g_autoptr(GString) request = g_string_new("GET /a HTTP/1.1\r\nHost: x\r\nX-Long: ");
    for (int i = 0; i < LIMIT_HTTP_HEADER_BYTES; i++)
        g_string_append_c(request, 'a');
    g_string_append(request, "\r\n\r\n");
    put(client, request->str, request->len);
    expect_closed(client);
    assert_int_equal(f->handled, 0);
    client_free(client);
}

static void wait_held(struct fixture *f)
{
    while (f->held == NULL)
        loop_step(f->loop);
}

static void test_later_answer(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    wait_held(f);
    echo(f->held);
    expect(client, "POST /later 2 hi");
    say(client, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "GET /again 0");
    /* The exchange is over: what is asked of a held request now is empty, and answering does nothing. */
    assert_true(server_request_gone(f->held));
    assert_null(server_header(f->held, "host"));
    echo(f->held);
    client_free(client);
}

static void test_many_later_answers_in_one_turn(void **state)
{
    struct fixture *f = *state;
    enum { CLIENTS = 40 };
    struct client *clients[CLIENTS];
    struct server_request *held[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(f, f->address);
        say(clients[i], "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
        wait_held(f);
        held[i] = g_steal_pointer(&f->held);
    }
    for (int i = 0; i < CLIENTS; i++) {
        echo(held[i]);
        server_request_unref(held[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        expect(clients[i], "POST /later 2 hi");
        client_free(clients[i]);
    }
}

static void test_client_gone_while_suspended(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_held(f);
    client_free(client);
    echo(f->held);
    while (!server_request_gone(f->held))
        loop_step(f->loop);
    /* The server goes on. */
    client = connect_to(f, f->address);
    say(client, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "GET /a 0");
    client_free(client);
}

/* A client that leaves while its answer is awaited is noticed then, not when the answer is written. */
static void test_hangup_while_suspended(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "GET /poll HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_held(f);
    assert_int_equal(f->peer, 0); /* TCP does not say */
    client_free(client);
    while (f->hangups == 0)
        loop_step(f->loop);
    client = connect_to(f, f->address);
    say(client, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "GET /a 0");
    client_free(client);
    assert_int_equal(f->hangups, 1);
}

/* Once answered, the end of a connection is nobody's business. */
static void test_hangup_after_the_answer(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "GET /poll HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_held(f);
    echo(f->held);
    expect(client, "GET /poll 0");
    client_free(client);
    client = connect_to(f, f->address);
    say(client, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "GET /a 0");
    client_free(client);
    assert_int_equal(f->hangups, 0);
}

static void test_server_ends_with_suspended_requests(void **state)
{
    struct fixture *f = *state;
    struct client *waiting = connect_to(f, f->address), *streaming = connect_to(f, f->address);
    say(waiting, "GET /poll HTTP/1.1\r\nHost: x\r\n\r\n");
    say(streaming, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_held(f);
    expect(streaming, "retry:");
    server_free(g_steal_pointer(&f->server));
    assert_true(server_request_gone(f->held));
    assert_int_equal(f->closed, 1);
    echo(f->held);
    expect_closed(waiting);
    expect_closed(streaming);
    client_free(waiting);
    client_free(streaming);
}

static void test_quiesced_server_finishes_what_it_has(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_held(f);
    server_quiesce(f->server);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(strrchr(f->address, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_not_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    close(fd);
    echo(f->held);
    expect(client, "GET /later 0");
    client_free(client);
}

static void test_stream(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "text/event-stream");
    expect(client, "retry: 2000");
    server_stream_event(f->stream, "step", "7", "{\"a\":1}");
    expect(client, "event: step\nid: 7\ndata: {\"a\":1}\n\n");
    server_stream_event(f->stream, NULL, NULL, "{}");
    server_stream_end(g_steal_pointer(&f->stream));
    expect(client, "data: {}\n\n\r\n0\r\n\r\n");
    say(client, "GET /after HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "GET /after 0");
    assert_int_equal(f->closed, 0);
    client_free(client);
}

static void test_stream_ring_keeps_order(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "retry: 2000");
    for (int i = 0; i < 3000; i++) {
        g_autofree char *data = g_strdup_printf("{\"n\":%d,\"pad\":\"%.*s\"}", i, i % 97,
                                                "ppppppppppppppppppppppppppppppppppppppp"
                                                "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppp");
        server_stream_event(f->stream, NULL, NULL, data);
        if (i % 7 == 0)
            loop_step(f->loop);
    }
    server_stream_end(g_steal_pointer(&f->stream));
    expect(client, "\r\n0\r\n\r\n");
    assert_int_equal(count(client->in->str, "\"n\":"), 3000);
    /* Chunk headers may fall anywhere: order is checked on the numbers that stand whole. */
    int last = -1;
    for (const char *at = client->in->str; (at = strstr(at, "{\"n\":")) != NULL; at++) {
        int n = atoi(at + 5);
        assert_true(n > last || n == 0 || n < 10);
        last = n > last ? n : last;
    }
    client_free(client);
}

static void publish_again(void *arg)
{
    struct fixture *f = arg;
    if (f->stream != NULL)
        server_stream_event(f->stream, NULL, NULL, "{}");
}

static void test_stream_client_that_leaves(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "retry: 2000");
    client_free(client);
    /* The first write into the void is answered by a reset, a later one fails; then the owner is told. */
    struct loop_timer *timer = loop_timer_new(f->loop, publish_again, f);
    loop_timer_start(timer, 0, 1);
    while (f->closed == 0)
        loop_step(f->loop);
    assert_int_equal(f->closed, 1);
    loop_timer_free(timer);
}

static void test_stream_client_that_lags(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "retry: 2000");
    loop_poll_set(client->poll, 0); /* reads no more */
    g_autofree char *data = g_strnfill(8000, 'x');
    struct server_stream *stream = f->stream;
    for (int i = 0; i < 40; i++) /* more than the ring holds */
        server_stream_event(stream, "output", NULL, data);
    assert_int_equal(f->closed, 0); /* never from within server_stream_event() */
    while (f->closed == 0)
        loop_step(f->loop);
    assert_int_equal(f->closed, 1);
    loop_poll_set(client->poll, LOOP_READ);
    expect(client, "event: lagged\ndata: {}\n\n");
    expect(client, "\r\n0\r\n\r\n");
    client_free(client);
}

static void test_stream_limit(void **state)
{
    struct fixture *f = *state;
    struct client *clients[LIMIT_SSE_CLIENTS + 1];
    for (int i = 0; i < LIMIT_SSE_CLIENTS; i++) {
        clients[i] = connect_to(f, f->address);
        say(clients[i], "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        expect(clients[i], "retry: 2000");
    }
    struct client *last = connect_to(f, f->address);
    say(last, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(last, "503 ");
    expect(last, "Retry-After: 10");
    clients[LIMIT_SSE_CLIENTS] = last;
    for (int i = 0; i <= LIMIT_SSE_CLIENTS; i++)
        client_free(clients[i]);
}

static void test_unix_socket(void **state)
{
    struct fixture *f = *state;
    g_autofree char *path = g_build_filename(f->folder, "s.sock", NULL);
    const struct server_options options = {.unix_socket = path, .max_body = 100, .handler = handle, .arg = f};
    g_autoptr(GError) error = NULL;
    struct server *server = server_new(f->loop, &options, &error);
    assert_non_null(server);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    g_strlcpy(to.sun_path, path, sizeof to.sun_path);
    struct client *client = client_new(f, AF_UNIX, (struct sockaddr *)&to, sizeof to);
    say(client, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "GET /a 0  peer=unix");
    say(client, "GET /poll HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_held(f);
    assert_int_equal(f->peer, getpid());
    echo(f->held);
    expect(client, "GET /poll 0");
    assert_null(server_new(f->loop, &options, &error));
    assert_non_null(strstr(error->message, "already in use"));
    client_free(client);
    server_free(server);
    assert_int_not_equal(stat(path, &status), 0);
}

static void test_stale_socket_file_is_replaced(void **state)
{
    struct fixture *f = *state;
    g_autofree char *path = g_build_filename(f->folder, "s.sock", NULL);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    g_strlcpy(to.sun_path, path, sizeof to.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    close(fd); /* the file stays, as after kill -9 */
    const struct server_options options = {.unix_socket = path, .max_body = 100, .handler = handle, .arg = f};
    struct server *server = server_new(f->loop, &options, NULL);
    assert_non_null(server);
    server_free(server);
}

static const struct {
    const char *why, *listen, *message;
} bad_addresses[] = {
    {"no port", "127.0.0.1", "HOST:PORT"},
    {"no host", ":80", "HOST:PORT"},
    {"IPv6 without brackets", "::1:80", "HOST:PORT"},
    {"port not a number", "127.0.0.1:http", "from 0 to 65535"},
    {"port too large", "127.0.0.1:65536", "from 0 to 65535"},
    {"not ours", "192.0.2.1:0", "192.0.2.1:0"},
};

static void test_bad_addresses(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(bad_addresses); i++) {
        const struct server_options options = {.listen = bad_addresses[i].listen, .handler = handle, .arg = f};
        g_autoptr(GError) error = NULL;
        if (server_new(f->loop, &options, &error) != NULL)
            row_failed(bad_addresses[i].why, "it was accepted");
        if (strstr(error->message, bad_addresses[i].message) == NULL)
            row_failed(bad_addresses[i].why, "got '%s'", error->message);
    }
}

static void test_ipv6(void **state)
{
    struct fixture *f = *state;
    const struct server_options options = {.listen = "[::1]:0", .max_body = 100, .handler = handle, .arg = f};
    g_autoptr(GError) error = NULL;
    struct server *server = server_new(f->loop, &options, &error);
    if (server == NULL) { /* a kernel without IPv6 says so; nothing else may be wrong */
        assert_non_null(strstr(error->message, "[::1]:0"));
        return;
    }
    g_autofree char *address = server_address(server);
    assert_true(g_str_has_prefix(address, "[::1]:"));
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    to.sin6_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    struct client *client = client_new(f, AF_INET6, (struct sockaddr *)&to, sizeof to);
    say(client, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "peer=::1");
    client_free(client);
    server_free(server);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_exchanges),
        T(test_refusals_are_problems),
        T(test_head_has_no_body),
        T(test_pipelined_requests_are_answered_in_order),
        T(test_byte_by_byte),
        T(test_large_body_arrives_whole),
        T(test_far_too_large_body_reads_its_answer),
        T(test_endless_chunks_are_cut),
        T(test_headers_over_the_limit),
        T(test_later_answer),
        T(test_many_later_answers_in_one_turn),
        T(test_client_gone_while_suspended),
        T(test_hangup_while_suspended),
        T(test_hangup_after_the_answer),
        T(test_server_ends_with_suspended_requests),
        T(test_quiesced_server_finishes_what_it_has),
        T(test_stream),
        T(test_stream_ring_keeps_order),
        T(test_stream_client_that_leaves),
        T(test_stream_client_that_lags),
        T(test_stream_limit),
        T(test_unix_socket),
        T(test_stale_socket_file_is_replaced),
        T(test_bad_addresses),
        T(test_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
