/* http_client: against our own server: answers, refusals, time-outs, ceilings, cancel, Unix sockets, the blocking
 * variant. */
#include "core/errors.h"
#include "core/http_client.h"
#include "tests/unit/support.h"
#include "web/server.h"
#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct loop *loop;
    struct server *server, *local;
    struct http_client *client;
    char *base, *folder, *socket_path;
    GPtrArray *held; /* requests never answered */
    /* what came back */
    int done, status, code;
    char *body, *message, *header;
};

static void handle(void *arg, struct server_request *request)
{
    struct fixture *f = arg;
    const char *path = server_path(request);
    size_t length = 0;
    const char *body = server_body(request, &length);
    if (strcmp(path, "/never") == 0) {
        g_ptr_array_add(f->held, server_request_ref(request));
    } else if (strcmp(path, "/redirect") == 0) {
        server_answer(request, 302, NULL, (const char *const[]){"Location: /target", NULL}, "", 0);
    } else if (strcmp(path, "/large") == 0) {
        g_autofree char *large = g_strnfill(100000, 'x');
        server_answer(request, 200, "text/plain", NULL, large, 100000);
    } else if (strcmp(path, "/missing") == 0) {
        server_answer_problem(request, 404, "not_found", "no such thing", NULL);
    } else {
        const char *type = server_header(request, "content-type"), *expects = server_header(request, "expect");
        g_autofree char *text =
            g_strdup_printf("%s %s %.*s type=%s expect=%s", server_method(request), path, (int)MIN(length, 20), body,
                            type != NULL ? type : "-", expects != NULL ? expects : "-");
        server_answer(request, 200, "text/plain", (const char *const[]){"X-Answer:  yes ", NULL}, text, strlen(text));
    }
}

static struct server *serve(struct fixture *f, const char *listen, const char *unix_socket)
{
    const struct server_options options = {
        .listen = listen, .unix_socket = unix_socket, .max_body = 4 * 1024 * 1024, .handler = handle, .arg = f};
    g_autoptr(GError) error = NULL;
    struct server *server = server_new(f->loop, &options, &error);
    if (server == NULL)
        fail_msg("%s", error->message);
    return server;
}

static int setup(void **state)
{
    struct fixture *f = g_new0(struct fixture, 1);
    f->loop = loop_new();
    f->folder = g_dir_make_tmp("hikeshi-client-XXXXXX", NULL);
    f->socket_path = g_build_filename(f->folder, "s.sock", NULL);
    f->server = serve(f, "127.0.0.1:0", NULL);
    f->local = serve(f, NULL, f->socket_path);
    g_autofree char *address = server_address(f->server);
    f->base = g_strdup_printf("http://%s", address);
    f->client = http_client_new(f->loop);
    f->held = g_ptr_array_new_with_free_func((GDestroyNotify)server_request_unref);
    *state = f;
    return 0;
}

static void forget(struct fixture *f)
{
    g_clear_pointer(&f->body, g_free);
    g_clear_pointer(&f->message, g_free);
    g_clear_pointer(&f->header, g_free);
    f->done = f->status = 0;
    f->code = -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_client_free(f->client);
    server_free(f->server);
    server_free(f->local);
    g_ptr_array_unref(f->held);
    loop_free(f->loop);
    forget(f);
    g_rmdir(f->folder);
    g_free(f->folder);
    g_free(f->socket_path);
    g_free(f->base);
    g_free(f);
    return 0;
}

static void on_done(void *arg, const struct http_response *response, const GError *error)
{
    struct fixture *f = arg;
    f->done++;
    f->status = response != NULL ? response->status : 0;
    f->body = response != NULL ? g_strndup(response->body, response->body_length) : NULL;
    f->header = response != NULL ? g_strdup(g_hash_table_lookup(response->headers, "x-answer")) : NULL;
    f->code = error != NULL ? errors_of(error) : -1;
    f->message = error != NULL ? g_strdup(error->message) : NULL;
}

static void exchange(struct fixture *f, const struct http_request *request)
{
    forget(f);
    http_client_send(f->client, request, on_done, f);
    assert_int_equal(f->done, 0); /* never from within */
    while (f->done == 0)
        loop_step(f->loop);
}

/* --- tests
 * -------------------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *why, *method, *path, *body, *wanted;
    int status;
} answers[] = {
    {"GET", "GET", "/a", NULL, "GET /a  type=- expect=-", 200},
    {"no method is GET", NULL, "/a", NULL, "GET /a  type=- expect=-", 200},
    {"POST", "POST", "/a", "hello", "POST /a hello type=- expect=-", 200},
    {"POST without a body", "POST", "/a", NULL, "POST /a  type=- expect=-", 200},
    {"PUT", "PUT", "/a", "x", "PUT /a x type=- expect=-", 200},
    {"DELETE", "DELETE", "/a", NULL, "DELETE /a  type=- expect=-", 200},
    {"HEAD has no body", "HEAD", "/a", NULL, "", 200},
    {"redirects are not followed", "GET", "/redirect", NULL, "", 302},
};

static void test_answers(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autofree char *url = g_strconcat(f->base, answers[i].path, NULL);
        exchange(f, &(struct http_request){.method = answers[i].method,
                                           .url = url,
                                           .body = answers[i].body,
                                           .body_length = answers[i].body != NULL ? strlen(answers[i].body) : 0});
        if (f->status != answers[i].status || g_strcmp0(f->body, answers[i].wanted) != 0)
            row_failed(answers[i].why, "got %d '%s' %s", f->status, f->body, f->message);
    }
    exchange(f, &(struct http_request){.url = f->base});
    assert_string_equal(f->header, "yes");
}

static void test_headers_are_sent(void **state)
{
    struct fixture *f = *state;
    exchange(f, &(struct http_request){.method = "POST",
                                       .url = f->base,
                                       .headers = (const char *const[]){"Content-Type: application/json", NULL},
                                       .body = "{}",
                                       .body_length = 2});
    assert_string_equal(f->body, "POST / {} type=application/json expect=-");
}

static void test_a_large_body_does_not_ask_first(void **state)
{
    struct fixture *f = *state;
    g_autofree char *body = g_strnfill(3 * 1024 * 1024, 'y');
    exchange(f, &(struct http_request){.method = "POST", .url = f->base, .body = body, .body_length = strlen(body)});
    assert_string_equal(f->body, "POST / yyyyyyyyyyyyyyyyyyyy type=- expect=-");
}

/* A port on which nobody listens: bound, then closed. */
static char *dead_url(const char *rest)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return g_strdup_printf("http://user:secret@127.0.0.1:%d%s", ntohs(address.sin_port), rest);
}

static void test_failures_name_the_server_and_no_secret(void **state)
{
    struct fixture *f = *state;
    g_autofree char *refused = dead_url("/p?token=secret"), *never = g_strconcat(f->base, "/never?token=secret", NULL),
                    *large = g_strconcat(f->base, "/large", NULL);
    const struct {
        const char *why;
        struct http_request request;
        int code;
        const char *message;
    } rows[] = {
        {"refused", {.url = refused}, ERROR_UNAVAILABLE, "cannot reach 'http://127.0.0.1:"},
        {"no answer", {.url = never, .timeout_ms = 30}, ERROR_TIMEOUT, "did not answer in time"},
        {"too large", {.url = large, .max_body = 99999}, ERROR_TOO_LARGE, "larger than 99999 bytes"},
        {"no such socket",
         {.url = "http://localhost/", .unix_socket = "/nonexistent.sock"},
         ERROR_UNAVAILABLE,
         "http://localhost"},
        {"a file", {.url = "file:///etc/passwd"}, ERROR_INVALID, "not an http or https URL"},
        {"another protocol", {.url = "ftp://example.com/secret"}, ERROR_INVALID, "'ftp://example.com'"},
        {"no URL", {.url = "::secret::"}, ERROR_INVALID, "not an http or https URL"},
        {"a line break in a header",
         {.url = f->base, .headers = (const char *const[]){"Authorization: secret\nX: y", NULL}},
         ERROR_INVALID,
         "line break: 'Authorization'"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        exchange(f, &rows[i].request);
        if (f->code != rows[i].code || strstr(f->message, rows[i].message) == NULL)
            row_failed(rows[i].why, "got %s: %s", f->code >= 0 ? errors_code(f->code) : "an answer", f->message);
        if (strstr(f->message, "secret") != NULL)
            row_failed(rows[i].why, "a secret is in '%s'", f->message);
    }
}

static void test_exactly_the_ceiling(void **state)
{
    struct fixture *f = *state;
    g_autofree char *large = g_strconcat(f->base, "/large", NULL);
    exchange(f, &(struct http_request){.url = large, .max_body = 100000});
    assert_int_equal(f->status, 200);
    assert_int_equal(strlen(f->body), 100000);
}

static void test_unix_socket(void **state)
{
    struct fixture *f = *state;
    exchange(f, &(struct http_request){.url = "http://hikeshi/local", .unix_socket = f->socket_path});
    assert_string_equal(f->body, "GET /local  type=- expect=-");
}

static void test_cancelled_calls_are_silent(void **state)
{
    struct fixture *f = *state;
    g_autofree char *never = g_strconcat(f->base, "/never", NULL);
    forget(f);
    struct http_call *call = http_client_send(f->client, &(struct http_request){.url = never}, on_done, f);
    while (f->held->len == 0)
        loop_step(f->loop);
    http_call_cancel(call);
    http_call_cancel(http_client_send(f->client, &(struct http_request){.url = f->base}, on_done, f));
    http_call_cancel(http_client_send(f->client, &(struct http_request){.url = "file:///x"}, on_done, f));
    http_call_cancel(NULL);
    assert_int_equal(f->done, 0);
    exchange(f, &(struct http_request){.url = f->base});
    assert_int_equal(f->status, 200);
    assert_int_equal(f->done, 1);
}

static void test_freed_client_cancels(void **state)
{
    struct fixture *f = *state;
    g_autofree char *never = g_strconcat(f->base, "/never", NULL);
    forget(f);
    for (int i = 0; i < 5; i++)
        http_client_send(f->client, &(struct http_request){.url = never}, on_done, f);
    while (f->held->len < 5)
        loop_step(f->loop);
    http_client_free(g_steal_pointer(&f->client));
    assert_int_equal(f->done, 0);
}

static void send_again(void *arg, const struct http_response *response, const GError *error)
{
    struct fixture *f = arg;
    assert_null(error);
    assert_int_equal(response->status, 200);
    f->done++;
    if (f->done < 20)
        http_client_send(f->client, &(struct http_request){.url = f->base}, send_again, f);
}

static void test_a_callback_may_send(void **state)
{
    struct fixture *f = *state;
    forget(f);
    http_client_send(f->client, &(struct http_request){.url = f->base}, send_again, f);
    while (f->done < 20)
        loop_step(f->loop);
}

static void test_many_at_once(void **state)
{
    struct fixture *f = *state;
    forget(f);
    for (int i = 0; i < 100; i++)
        http_client_send(f->client, &(struct http_request){.url = f->base}, send_again, f);
    f->done = 20; /* no one sends again */
    while (f->done < 120)
        loop_step(f->loop);
}

/* --- the blocking variant: the server turns in this thread, the caller in another
 * --------------------------------------------- */

struct blocking {
    struct fixture *f;
    const char *url;
    int stop_after; /* pieces of data; 0 = no on_data */
    GString *data;
    struct http_response response;
    GError *error;
    bool answered, over;
};

static bool on_data(void *arg, const char *bytes, size_t length)
{
    struct blocking *blocking = arg;
    g_string_append_len(blocking->data, bytes, (gssize)length);
    return --blocking->stop_after > 0;
}

static void blocking_over(void *arg)
{
    struct blocking *blocking = arg;
    blocking->over = true;
}

static gpointer blocking_thread(gpointer arg)
{
    struct blocking *blocking = arg;
    const struct http_request request = {.url = blocking->url,
                                         .timeout_ms = blocking->stop_after > 0 ? HTTP_NO_TIMEOUT : 0};
    blocking->answered = http_client_send_sync(&request, blocking->stop_after > 0 ? on_data : NULL, blocking,
                                               &blocking->response, &blocking->error);
    loop_post(blocking->f->loop, blocking_over, blocking);
    return NULL;
}

static void run_blocking(struct blocking *blocking)
{
    blocking->data = g_string_new(NULL);
    GThread *thread = g_thread_new("client", blocking_thread, blocking);
    while (!blocking->over)
        loop_step(blocking->f->loop);
    g_thread_join(thread);
}

static void blocking_clear(struct blocking *blocking)
{
    g_string_free(blocking->data, TRUE);
    http_response_clear(&blocking->response);
    g_clear_error(&blocking->error);
}

static void test_blocking_answer(void **state)
{
    struct fixture *f = *state;
    struct blocking blocking = {.f = f, .url = f->base};
    run_blocking(&blocking);
    assert_true(blocking.answered);
    assert_int_equal(blocking.response.status, 200);
    assert_string_equal(blocking.response.body, "GET /  type=- expect=-");
    assert_string_equal(g_hash_table_lookup(blocking.response.headers, "x-answer"), "yes");
    blocking_clear(&blocking);
}

static void test_blocking_stream_stops_when_told(void **state)
{
    struct fixture *f = *state;
    g_autofree char *url = g_strconcat(f->base, "/large", NULL);
    struct blocking blocking = {.f = f, .url = url, .stop_after = 1};
    run_blocking(&blocking);
    assert_true(blocking.answered);
    assert_int_equal(blocking.response.status, 200);
    assert_int_equal(blocking.response.body_length, 0);
    assert_true(blocking.data->len > 0 && blocking.data->len < 100000);
    blocking_clear(&blocking);
}

static void test_blocking_stream_keeps_problems_apart(void **state)
{
    struct fixture *f = *state;
    g_autofree char *url = g_strconcat(f->base, "/missing", NULL);
    struct blocking blocking = {.f = f, .url = url, .stop_after = 9};
    run_blocking(&blocking);
    assert_true(blocking.answered);
    assert_int_equal(blocking.response.status, 404);
    assert_non_null(strstr(blocking.response.body, "no such thing"));
    assert_int_equal(blocking.data->len, 0);
    blocking_clear(&blocking);
}

static void test_blocking_refused(void **state)
{
    struct fixture *f = *state;
    g_autofree char *url = dead_url("/");
    struct blocking blocking = {.f = f, .url = url};
    run_blocking(&blocking);
    assert_false(blocking.answered);
    assert_int_equal(errors_of(blocking.error), ERROR_UNAVAILABLE);
    blocking_clear(&blocking);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_answers),
        T(test_headers_are_sent),
        T(test_a_large_body_does_not_ask_first),
        T(test_failures_name_the_server_and_no_secret),
        T(test_exactly_the_ceiling),
        T(test_unix_socket),
        T(test_cancelled_calls_are_silent),
        T(test_freed_client_cancels),
        T(test_a_callback_may_send),
        T(test_many_at_once),
        T(test_blocking_answer),
        T(test_blocking_stream_stops_when_told),
        T(test_blocking_stream_keeps_problems_apart),
        T(test_blocking_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
