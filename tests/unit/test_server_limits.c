/* server, hostile clients: bodies that may not come, memory for those that may, requests that never end, too many
 * connections. */
#include "core/address.h"
#include "tests/unit/server_fixture.h"

/* --- before the body
 * ------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *why, *request;
} refused[] = {
    {"a body is not waited for", "POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"},
    {"a large one neither", "POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"},
    {"nor one that asks first",
     "POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"},
    {"nor chunks", "POST /refused HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {"it may be there already", "POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"},
    {"PUT", "PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"},
    {"a request behind it is not looked at",
     "POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /behind HTTP/1.1\r\nHost: x\r\n\r\n"},
};

static void test_refused_before_the_body(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        struct client *client = connect_to(f, f->address);
        say(client, refused[i].request);
        expect(client, "401 ");
        expect(client, "who are you?");
        expect_closed(client);
        if (f->handled != 0)
            row_failed(refused[i].why, "the handler was called");
        client_free(client);
    }
    assert_int_equal(f->asked, G_N_ELEMENTS(refused));
    struct client *client = connect_to(f, f->address);
    say(client, "GET /refused HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(client, "GET /refused 0"); /* no body: the handler decides */
    client_free(client);
    client = connect_to(f, f->address);
    say(client, "DELETE /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    expect(client, "401 ");
    client_free(client);
}

/* As put(), for clients that give up when they cannot send. */
static void put_all(struct client *client, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = send(client->fd, bytes, length, MSG_NOSIGNAL);
        if (written < 0 && errno != EAGAIN)
            fail_msg("cannot send: %s", g_strerror(errno));
        bytes += MAX(written, 0);
        length -= (size_t)MAX(written, 0);
        loop_step(client->f->loop);
    }
}

/* A client that sends all of its body before it reads: closing at once would reset the connection under it. */
static void test_refused_and_yet_read(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++) {
        struct client *client = connect_to(f, f->address);
        loop_poll_set(client->poll, 0);
        g_autofree char *body = g_strnfill(3000000, 'x');
        say(client, "POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
        put_all(client, body, 3000000);
        loop_poll_set(client->poll, LOOP_READ);
        expect(client, "401 ");
        expect_closed(client);
        client_free(client);
    }
    assert_int_equal(f->budget.used, 0);
}

static void wait_held(struct fixture *f)
{
    while (f->held == NULL)
        loop_step(f->loop);
}

static void test_decided_later(void **state)
{
    struct fixture *f = *state;
    struct client *yes = connect_to(f, f->address), *no = connect_to(f, f->address);
    say(yes, "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    wait_held(f);
    assert_int_equal(f->handled, 0);
    server_admit(f->held, 100, NULL);
    server_admit(f->held, 1, NULL); /* said already */
    expect(yes, "POST /wait 5 hello");
    server_request_unref(g_steal_pointer(&f->held));
    say(no, "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    wait_held(f);
    server_answer_problem(f->held, 403, "forbidden", "not you", NULL);
    server_admit(f->held, 100, NULL); /* too late */
    expect(no, "403 ");
    assert_int_equal(f->handled, 1);
    server_request_unref(g_steal_pointer(&f->held));
    client_free(yes);
    client_free(no);
}

static void test_decided_for_a_client_that_left(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
    wait_held(f);
    client_free(client);
    server_admit(f->held, 100, NULL);
    while (!server_request_gone(f->held))
        loop_step(f->loop);
    server_admit(f->held, 100, NULL);
    assert_int_equal(f->handled, 0);
}

static void test_server_ends_before_the_decision(void **state)
{
    struct fixture *f = *state;
    struct client *client = connect_to(f, f->address);
    say(client, "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
    wait_held(f);
    server_free(g_steal_pointer(&f->server));
    assert_true(server_request_gone(f->held));
    expect_closed(client);
    client_free(client);
}

/* --- memory
 * ----------------------------------------------------------------------------------------------------------------------
 */

static json_int_t metric(const struct server *server, const char *name)
{
    g_autoptr(json_t) metrics = json_object();
    server_metrics(server, metrics);
    g_autofree char *key = g_strconcat("hikeshi_http_", name, NULL);
    return json_get_integer(metrics, key, -1);
}

/* A client that has sent `sent` bytes of a body of `length`. */
static struct client *begin_body(struct fixture *f, const char *address, const char *path, size_t length, size_t sent)
{
    struct client *client = connect_to(f, address);
    g_autofree char *bytes = g_strnfill(sent, 'x');
    g_autofree char *head = g_strdup_printf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", path, length);
    say(client, head);
    put(client, bytes, sent);
    return client;
}

static void test_budget(void **state)
{
    struct fixture *f = *state;
    struct client *kept = begin_body(f, f->address, "/a", 90000, 80000);
    while (f->budget.used == 0 || metric(f->server, "body_bytes") < 80000)
        loop_step(f->loop);
    assert_true(f->budget.used < 132000);
    struct client *late = begin_body(f, f->address, "/a", 90000, 90000);
    expect(late, "503 ");
    expect(late, "Retry-After: 2");
    client_free(kept); /* gives its part back */
    while (f->budget.used > 0)
        loop_step(f->loop);
    assert_int_equal(metric(f->server, "body_bytes"), 0);
    say(late, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    expect(late, "POST /a 5 hello");
    client_free(late);
}

/* A server of its own beside the fixture's. */
static struct server *open_server(struct fixture *f, struct server_options options, char **ret_address)
{
    g_autoptr(GError) error = NULL;
    options.listen = "127.0.0.1:0";
    options.handler = handle;
    options.arg = f;
    struct server *server = server_new(f->loop, &options, &error);
    if (server == NULL)
        fail_msg("%s", error->message);
    *ret_address = server_address(server);
    return server;
}

static void test_bodies_of_one_address(void **state)
{
    enum { BODY = 4 * 1024 * 1024, FIT = LIMIT_BODIES_OF_ADDRESS_BYTES / BODY };
    static const char *const loopback[] = {"127.0.0.0/8", NULL};
    struct fixture *f = *state;
    for (int limited = 0; limited < 2; limited++) {
        g_autofree char *address = NULL;
        struct server *server =
            open_server(f,
                        (struct server_options){
                            .max_body = BODY, .connections_per_address = 100, .unlimited = limited ? NULL : loopback},
                        &address);
        struct client *clients[FIT];
        for (int i = 0; i < FIT; i++)
            clients[i] = begin_body(f, address, "/a", BODY, BODY - 1);
        while (metric(server, "body_bytes") < (json_int_t)FIT * BODY)
            loop_step(f->loop);
        struct client *more = begin_body(f, address, "/a", 3, 3);
        expect(more, limited ? "503 " : "200 ");
        client_free(more);
        for (int i = 0; i < FIT; i++)
            client_free(clients[i]);
        server_free(server);
    }
}

/* --- time
 * -----------------------------------------------------------------------------------------------------------------------
 */

/* Sends a byte each millisecond, for ever: no silence is ever long. */
struct drip {
    struct client *client;
    struct loop_timer *timer;
    char byte;
    int left;
};

static void on_drip(void *arg)
{
    struct drip *drip = arg;
    if (drip->left-- == 0)
        fail_msg("5,000 bytes came one by one, and the connection is still open");
    (void)!send(drip->client->fd, &drip->byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void test_slow_requests_are_cut(void **state)
{
    static const struct {
        const char *why, *begin;
        char byte;
    } rows[] = {
        {"says nothing", "", 0},
        {"the first line never ends", "GET /", 'a'},
        {"headers never end", "GET /a HTTP/1.1\r\nHost: x\r\nX: ", 'a'},
        {"a header less a byte", "GET /a HTTP/1.1\r\nHost: x\r\n\r", 0},
        {"a body never comes", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n", 0},
        {"a body never ends", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n", 'a'},
        {"a body that is dropped never ends", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 190000\r\n\r\n", 'a'},
    };
    struct fixture *f = *state;
    g_autofree char *address = NULL;
    struct server *server =
        open_server(f, (struct server_options){.max_body = 100000, .request_timeout_ms = 100}, &address);
    struct client *streaming = connect_to(f, address), *waiting = connect_to(f, address);
    say(streaming, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    say(waiting, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    wait_held(f);
    expect(streaming, "retry:");
    int handled = f->handled;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct client *client = connect_to(f, address);
        struct drip drip = {.client = client, .byte = rows[i].byte, .left = 5000};
        drip.timer = loop_timer_new(f->loop, on_drip, &drip);
        if (*rows[i].begin != '\0')
            say(client, rows[i].begin);
        if (drip.byte != 0)
            loop_timer_start(drip.timer, 1, 1);
        expect_closed(client);
        if (client->in->len > 0) /* a 4xx would tell senders not to try again */
            row_failed(rows[i].why, "was answered '%s'", client->in->str);
        loop_timer_free(drip.timer);
        client_free(client);
    }
    assert_int_equal(f->handled, handled);
    assert_int_equal(metric(server, "requests_late_total"),
                     G_N_ELEMENTS(rows) - 2); /* of the first two no request began */
    /* Those that wait for us are not cut. */
    echo(f->held);
    expect(waiting, "POST /later 2 hi");
    server_stream_event(f->stream, NULL, NULL, "{}");
    expect(streaming, "data: {}");
    client_free(waiting);
    client_free(streaming);
    server_free(server);
}

/* --- connections
 * ---------------------------------------------------------------------------------------------------------------------
 */

static void test_connections_of_one_address(void **state)
{
    enum { MOST = 3 };
    struct fixture *f = *state;
    g_autofree char *address = NULL;
    struct server *server = open_server(f, (struct server_options){.connections_per_address = MOST}, &address);
    struct client *clients[MOST];
    for (int i = 0; i < MOST; i++) {
        clients[i] = connect_to(f, address);
        say(clients[i], "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        expect(clients[i], "GET /a 0");
    }
    struct client *more = connect_to(f, address);
    expect_closed(more);
    client_free(more);
    assert_int_equal(metric(server, "connections"), MOST);
    assert_int_equal(metric(server, "connections_refused_total"), 1);
    client_free(clients[0]);
    while (metric(server, "connections") == MOST)
        loop_step(f->loop);
    clients[0] = connect_to(f, address);
    say(clients[0], "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(clients[0], "GET /b 0");
    for (int i = 0; i < MOST; i++)
        client_free(clients[i]);
    server_free(server);
}

static void test_connections_that_are_not_counted(void **state)
{
    enum { MOST = 1, CLIENTS = 5 };
    static const char *const networks[] = {"192.0.2.1", "127.0.0.0/8", NULL}, *const wrong[] = {"127.0.0.0/33", NULL};
    struct fixture *f = *state;
    g_autofree char *address = NULL;
    struct server *server =
        open_server(f, (struct server_options){.connections_per_address = MOST, .unlimited = networks}, &address);
    struct client *clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(f, address);
        say(clients[i], "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        expect(clients[i], "GET /a 0");
    }
    for (int i = 0; i < CLIENTS; i++)
        client_free(clients[i]);
    server_free(server);
    g_autoptr(GError) error = NULL;
    const struct server_options options = {.listen = "127.0.0.1:0", .handler = handle, .arg = f, .unlimited = wrong};
    assert_null(server_new(f->loop, &options, &error));
    assert_non_null(strstr(error->message, "127.0.0.0/33"));
}

/* --- addresses
 * -----------------------------------------------------------------------------------------------------------------------
 */

static struct address parse(const char *text)
{
    struct address_range network;
    assert_true(address_range_parse(text, &network, NULL));
    return network.address;
}

static void test_networks(void **state)
{
    (void)state;
    static const struct {
        const char *network, *address;
        bool has;
        const char *why;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true, "whole bytes"},
        {"10.0.0.0/8", "11.0.0.1", false, "another"},
        {"192.0.2.128/25", "192.0.2.129", true, "a part of a byte"},
        {"192.0.2.128/25", "192.0.2.127", false, "the other half"},
        {"192.0.2.1", "192.0.2.1", true, "one address"},
        {"192.0.2.1", "192.0.2.2", false, "not that one"},
        {"0.0.0.0/0", "203.0.113.9", true, "every IPv4 address"},
        {"0.0.0.0/0", "2001:db8::1", false, "and no IPv6 address"},
        {"::ffff:192.0.2.1", "192.0.2.1", true, "both forms are one"},
        {"2001:db8::/32", "2001:db8:ffff::1", true, "IPv6"},
        {"2001:db8::/33", "2001:db8:ffff::1", false, "a bit longer"},
        {"::1", "::1", true, "loopback"},
        {"::/0", "192.0.2.1", true, "everything"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct address_range network;
        struct address address = parse(rows[i].address);
        if (!address_range_parse(rows[i].network, &network, NULL) ||
            address_range_has(&network, &address) != rows[i].has)
            row_failed(rows[i].why, "%s and %s", rows[i].network, rows[i].address);
    }
    static const char *const bad[] = {"",           "10.0.0", "10.0.0.0/33",  "::/129", "10.0.0.0/",
                                      "10.0.0.0/x", "a",      "10.0.0.1/8/9", NULL};
    for (const char *const *text = bad; *text != NULL; text++) {
        struct address_range network;
        g_autoptr(GError) error = NULL;
        if (address_range_parse(*text, &network, &error) || strstr(error->message, *text) == NULL)
            row_failed(*text, "it was accepted, or the error does not name it");
    }
}

static void test_subscribers(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other;
        bool same;
        const char *why;
    } rows[] = {
        {"192.0.2.1", "192.0.2.2", false, "each IPv4 address is somebody"},
        {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true, "whoever has one address of a /64 has all"},
        {"2001:db8:0:1::1", "2001:db8:0:2::1", false, "the next /64 is somebody else's"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct address one = parse(rows[i].one), other = parse(rows[i].other);
        one = address_subscriber(&one);
        other = address_subscriber(&other);
        if ((memcmp(&one, &other, sizeof one) == 0) != rows[i].same)
            row_failed(rows[i].why, "%s and %s", rows[i].one, rows[i].other);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_refused_before_the_body),
        T(test_refused_and_yet_read),
        T(test_decided_later),
        T(test_decided_for_a_client_that_left),
        T(test_server_ends_before_the_decision),
        T(test_budget),
        T(test_bodies_of_one_address),
        T(test_slow_requests_are_cut),
        T(test_connections_of_one_address),
        T(test_connections_that_are_not_counted),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_subscribers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
