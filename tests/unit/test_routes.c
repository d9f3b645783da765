/* routes: every route's credentials; how requests become request objects; methods, queries, bodies; webhooks; the live
 * log; docs/api.md and OpenAPI name every route. */
#include "core/http_client.h"
#include "core/limits.h"
#include "core/wire.h"
#include "tests/unit/support.h"

#include "tests/unit/fake_jobs.h"
#include "web/openapi.h"
#include "web/route.h"
#include <glib/gstdio.h>
#include <unistd.h>

struct fixture {
    struct jobs jobs;
    struct web *web;
    struct http_client *client;
    char *folder, *socket_path, *base;
    /* the last answer */
    bool done;
    int status;
    char *body;
    GHashTable *headers;
};

static int setup(void **state)
{
    struct fixture *f = g_new0(struct fixture, 1);
    g_autoptr(GError) error = NULL;
    fake_reset();
    f->folder = g_dir_make_tmp("hikeshi-routes-XXXXXX", NULL);
    f->socket_path = g_build_filename(f->folder, WIRE_SOCKET_NAME, NULL);
    f->jobs.loop = loop_new();
    f->jobs.data_folder = f->folder;
    f->jobs.config = config_load(NULL, (const char *const[]){"listen=127.0.0.1:0", NULL}, &error);
    assert_null(error);
    f->web = web_new(&f->jobs, &error);
    if (f->web == NULL)
        fail_msg("%s", error->message);
    g_autofree char *address = web_address(f->web);
    f->base = g_strdup_printf("http://%s", address);
    f->client = http_client_new(f->jobs.loop);
    f->headers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_client_free(f->client);
    web_free(f->web);
    config_free(f->jobs.config);
    loop_free(f->jobs.loop);
    g_hash_table_unref(f->headers);
    g_rmdir(f->folder);
    g_free(f->folder);
    g_free(f->socket_path);
    g_free(f->base);
    g_free(f->body);
    g_free(f);
    fake_reset();
    return 0;
}

static void on_done(void *arg, const struct http_response *response, const GError *error)
{
    struct fixture *f = arg;
    if (error != NULL)
        fail_msg("%s", error->message);
    f->done = true;
    f->status = response->status;
    g_free(f->body);
    f->body = g_strndup(response->body, response->body_length);
    g_hash_table_remove_all(f->headers);
    GHashTableIter iter;
    gpointer name, value;
    g_hash_table_iter_init(&iter, response->headers);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_hash_table_insert(f->headers, g_strdup(name), g_strdup(value));
}

static struct http_call *start(struct fixture *f, const char *method, const char *path, const char *token,
                               const char *body, const char *header, bool runner)
{
    g_autofree char *url = g_strconcat(f->base, path, NULL);
    g_autofree char *bearer = token != NULL ? g_strdup_printf("Authorization: Bearer %s", token) : NULL;
    const char *headers[3] = {header != NULL ? header : bearer, header != NULL ? bearer : NULL, NULL};
    f->done = false;
    return http_client_send(f->client,
                            &(struct http_request){.method = method,
                                                   .url = url,
                                                   .headers = headers,
                                                   .unix_socket = runner ? f->socket_path : NULL,
                                                   .body = body,
                                                   .body_length = body != NULL ? strlen(body) : 0},
                            on_done, f);
}

static void wait_done(struct fixture *f)
{
    while (!f->done)
        loop_step(f->jobs.loop);
}

static int ask(struct fixture *f, const char *method, const char *path, const char *token, const char *body)
{
    start(f, method, path, token, body, NULL, false);
    wait_done(f);
    return f->status;
}

static const char *header(struct fixture *f, const char *name)
{
    const char *value = g_hash_table_lookup(f->headers, name);
    return value != NULL ? value : "";
}

static const char *asked_for(const char *key)
{
    const char *value = json_path_string(fake.request, key);
    return value != NULL ? value : "(none)";
}

/* The route's path with something for each {name}. */
static char *path_of(const struct web_route *route)
{
    g_autoptr(GString) path = g_string_new(NULL);
    for (const char *p = route->path; *p != '\0'; p++) {
        if (*p != '{') {
            g_string_append_c(path, *p);
            continue;
        }
        g_string_append(path, "x");
        p += strcspn(p, "}");
    }
    return g_strdup(path->str);
}

/* --- credentials
 * ------------------------------------------------------------------------------------------------------------- */

static void check_route(struct fixture *f, const struct web_route *route, const char *token, enum role role, int wanted)
{
    g_autofree char *path = path_of(route);
    fake.called = NULL;
    start(f, route->method, path, token, NULL, NULL, route->role == ROLE_RUNNER);
    wait_done(f);
    if (f->status != wanted)
        fail_msg("%s %s as %s: %d, wanted %d: %s", route->method, route->path, token != NULL ? token : "nobody",
                 f->status, wanted, f->body);
    bool allowed = role != ROLE_NONE && route_role_allows(role, route->role);
    if (route->role != ROLE_NONE && (fake.called != NULL) != allowed)
        fail_msg("%s %s as %s: the function was %scalled", route->method, route->path, token, allowed ? "not " : "");
}

static void test_every_route_needs_its_role(void **state)
{
    struct fixture *f = *state;
    fake.result = json_object();
    fake.ready = true;
    for (const struct web_route *const *table = web_routes; *table != NULL; table++) {
        for (const struct web_route *route = *table; route->method != NULL; route++) {
            if (route->role == ROLE_NONE)
                continue;
            check_route(f, route, NULL, ROLE_NONE, 401);
            assert_string_equal(header(f, "www-authenticate"), "Bearer");
            assert_string_equal(header(f, "content-type"), "application/problem+json");
            check_route(f, route, "nonsense", ROLE_NONE, 401);
            for (size_t i = 0; i < G_N_ELEMENTS(fake_roles); i++)
                check_route(f, route, fake_roles[i].name, fake_roles[i].role,
                            route_role_allows(fake_roles[i].role, route->role) ? route->success : 403);
        }
    }
}

static void test_open_routes(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "GET", "/healthz", NULL, NULL), 200);
    assert_int_equal(ask(f, "GET", "/readyz", NULL, NULL), 503);
    fake.ready = 1;
    assert_int_equal(ask(f, "GET", "/readyz", NULL, NULL), 200);
    assert_int_equal(ask(f, "GET", "/api/openapi.json", NULL, NULL), 200);
}

static void test_a_new_token_is_found_before_a_401(void **state)
{
    struct fixture *f = *state;
    fake.result = json_object();
    fake.late_token = g_strdup("made-a-moment-ago");
    assert_int_equal(ask(f, "GET", "/api/v1/runs", "made-a-moment-ago", NULL), 200);
    assert_int_equal(fake.refreshes, 1);
    assert_int_equal(ask(f, "GET", "/api/v1/runs", "never-made", NULL), 401);
}

static void test_credential_forms(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *why, *header;
        int status;
    } rows[] = {
        {"any case", "Authorization: bEARER viewer", 200},
        {"more spaces", "Authorization: Bearer   viewer", 200},
        {"basic", "Authorization: Basic dmlld2VyOg==", 401},
        {"no scheme", "Authorization: viewer", 401},
        {"empty", "Authorization: Bearer ", 401},
        {"a cookie is nothing", "Cookie: token=admin", 401},
    };
    fake.result = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        start(f, "GET", "/api/v1/runs", NULL, NULL, rows[i].header, false);
        wait_done(f);
        if (f->status != rows[i].status)
            row_failed(rows[i].why, "got %d", f->status);
    }
    assert_int_equal(ask(f, "GET", "/api/v1/runs?token=admin&access_token=admin", NULL, NULL), 401);
}

/* --- paths and methods
 * ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *why, *method, *path;
    int status;
    const char *allow;
} misses[] = {
    {"no page at /", "GET", "/", 404, ""},
    {"unknown", "GET", "/api/v1/nothing", 404, ""},
    {"too deep", "GET", "/api/v1/runs/x/log/y", 404, ""},
    {"empty segment", "GET", "/api/v1/runs/", 404, ""},
    {"double slash", "GET", "/api//v1/runs", 404, ""},
    {"case counts", "GET", "/API/v1/runs", 404, ""},
    {"a slash in an id does not make a path", "GET", "/api/v1/runs%2Fx", 404, ""},
    {"runner protocol from outside", "POST", WIRE_LEASE_PATH, 404, ""},
    {"webhook by GET", "GET", "/hooks/pd", 405, "POST"},
    {"webhook by HEAD", "HEAD", "/hooks/pd", 405, "POST"},
    {"webhook by PUT", "PUT", "/hooks/pd", 405, "POST"},
    {"webhook by DELETE", "DELETE", "/hooks/pd", 405, "POST"},
    {"list by DELETE", "DELETE", "/api/v1/runs", 405, "GET, HEAD, POST"},
    {"OPTIONS", "OPTIONS", "/api/v1/incidents", 405, "GET, HEAD"},
    {"approval decided by GET", "GET", "/api/v1/approvals/x/decisions", 405, "POST"},
    {"cancel by GET", "GET", "/api/v1/runs/x/cancel", 405, "POST"},
};

static void test_misses(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(misses); i++) {
        if (ask(f, misses[i].method, misses[i].path, "admin", NULL) != misses[i].status)
            row_failed(misses[i].why, "got %d", f->status);
        if (strcmp(header(f, "allow"), misses[i].allow) != 0)
            row_failed(misses[i].why, "Allow is '%s'", header(f, "allow"));
        assert_null(fake.called);
    }
}

/* A worker's poll says which process it is, and ends when its connection does. */
static void test_poll(void **state)
{
    struct fixture *f = *state;
    fake.poll_held = true;
    struct http_call *call = start(f, "POST", WIRE_LEASE_PATH, "runner", "{\"worker\":\"w1\"}", NULL, true);
    while (fake.poll_done == NULL)
        loop_step(f->jobs.loop);
    assert_int_equal(json_get_integer(fake.request, "peer_pid", 0), getpid());
    assert_string_equal(asked_for("body.worker"), "w1");
    http_call_cancel(call);
    while (strcmp(fake.called, "run_lease_cancel") != 0)
        loop_step(f->jobs.loop);
    fake.poll_held = false;
    fake.result = json_pack("{s:s}", "run", "run_1");
    start(f, "POST", WIRE_LEASE_PATH, "runner", "{\"worker\":\"w1\"}", NULL, true);
    wait_done(f);
    assert_int_equal(f->status, 200);
    assert_non_null(strstr(f->body, "run_1"));
}

static void test_head_is_get_without_a_body(void **state)
{
    struct fixture *f = *state;
    fake.result = json_pack("{s:s}", "id", "run_1");
    assert_int_equal(ask(f, "HEAD", "/api/v1/runs/run_1", "viewer", NULL), 200);
    assert_string_equal(f->body, "");
    assert_string_equal(fake.called, "run_get");
}

static void test_ids_in_paths(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *why, *path, *id;
    } rows[] = {
        {"plain", "/api/v1/runbooks/disk", "disk"},
        {"with slashes", "/api/v1/runbooks/db/disk-full", "db/disk-full"},
        {"escaped slashes", "/api/v1/runbooks/db%2Fdisk-full", "db/disk-full"},
        {"repository prefix", "/api/v1/runbooks/ops:db/disk%20full", "ops:db/disk full"},
        {"UTF-8", "/api/v1/runbooks/%E7%81%AB", "火"},
    };
    fake.result = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        ask(f, "GET", rows[i].path, "viewer", NULL);
        if (strcmp(asked_for("id"), rows[i].id) != 0)
            row_failed(rows[i].why, "got '%s'", asked_for("id"));
    }
    assert_int_equal(ask(f, "GET", "/api/v1/runbooks/%ff", "viewer", NULL), 400);
    assert_int_equal(ask(f, "GET", "/api/v1/runbooks/a%00b", "viewer", NULL), 400);
}

/* --- the request object
 * ------------------------------------------------------------------------------------------------------- */

static void test_query_parameters(void **state)
{
    struct fixture *f = *state;
    fake.result = json_object();
    assert_int_equal(ask(f, "GET", "/api/v1/runs?state=failed&limit=7", "viewer", NULL), 200);
    assert_string_equal(asked_for("state"), "failed");
    assert_string_equal(asked_for("limit"), "7");
    fake.called = NULL;
    assert_int_equal(ask(f, "GET", "/api/v1/runs?sate=failed", "viewer", NULL), 400);
    assert_non_null(strstr(f->body, "did you mean 'state'"));
    assert_int_equal(ask(f, "GET", "/api/v1/runs?idempotency_key=x", "viewer", NULL), 400);
    assert_int_equal(ask(f, "GET", "/api/v1/runs?body=x", "viewer", NULL), 400);
    assert_null(fake.called);
}

static void test_bodies(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *why, *body;
        int status;
    } rows[] = {
        {"an object", "{\"runbook\":\"disk\",\"params\":{}}", 201},
        {"no body: the function says what is missing", NULL, 201},
        {"an array", "[]", 400},
        {"a text", "\"x\"", 400},
        {"not JSON", "runbook=disk", 400},
        {"cut", "{\"runbook\":", 400},
        {"a key twice", "{\"runbook\":\"a\",\"runbook\":\"b\"}", 400},
    };
    fake.result = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        fake.called = NULL;
        if (ask(f, "POST", "/api/v1/runs", "operator", rows[i].body) != rows[i].status)
            row_failed(rows[i].why, "got %d %s", f->status, f->body);
        if ((fake.called != NULL) != (rows[i].status == 201))
            row_failed(rows[i].why, "wrongly %scalled", fake.called != NULL ? "" : "not ");
    }
    ask(f, "POST", "/api/v1/runs", "operator", "{\"runbook\":\"disk\"}");
    assert_string_equal(asked_for("body.runbook"), "disk");
    g_autofree char *large = g_strnfill(LIMIT_API_BODY_BYTES + 1, ' ');
    assert_int_equal(ask(f, "POST", "/api/v1/runs", "operator", large), 413);
}

static void test_idempotency_key(void **state)
{
    struct fixture *f = *state;
    fake.result = json_object();
    start(f, "POST", "/api/v1/runs", "operator", "{}", "Idempotency-Key: again-7", false);
    wait_done(f);
    assert_string_equal(asked_for("idempotency_key"), "again-7");
    g_autofree char *name = g_strnfill(256, 'k'), *line = g_strconcat("Idempotency-Key: ", name, NULL);
    start(f, "POST", "/api/v1/runs", "operator", "{}", line, false);
    wait_done(f);
    assert_int_equal(f->status, 400);
}

/* --- answers
 * -------------------------------------------------------------------------------------------------------------------
 */

static void test_answers(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "POST", "/api/v1/runs/x/cancel", "operator", NULL), 204);
    assert_string_equal(f->body, "");
    fake.result = json_pack("{s:s}", "id", "run_1");
    assert_int_equal(ask(f, "GET", "/api/v1/runs/run_1", "viewer", NULL), 200);
    assert_string_equal(f->body, "{\"id\":\"run_1\"}");
    assert_string_equal(header(f, "content-type"), "application/json");
    assert_string_equal(header(f, "cache-control"), "no-store");
    assert_string_equal(header(f, "x-content-type-options"), "nosniff");
    assert_string_equal(fake.actor, "viewer/1");
}

static void test_errors_are_problems(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int code, status;
        const char *retry_after;
    } rows[] = {{ERROR_NOT_FOUND, 404, ""}, {ERROR_CONFLICT, 409, ""}, {ERROR_VOID, 409, ""},
                {ERROR_BUSY, 503, "1"},     {ERROR_TIMEOUT, 504, ""},  {ERROR_FORBIDDEN, 403, ""}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        fake.code = rows[i].code;
        assert_int_equal(ask(f, "GET", "/api/v1/runs/x", "viewer", NULL), rows[i].status);
        assert_string_equal(header(f, "retry-after"), rows[i].retry_after);
        g_autoptr(json_t) problem = json_parse(f->body, strlen(f->body), "answer", NULL);
        assert_string_equal(json_get_string(problem, "code", ""), errors_code(rows[i].code));
        assert_int_equal(json_get_integer(problem, "status", 0), rows[i].status);
        assert_non_null(strstr(json_get_string(problem, "detail", ""), "the fake says"));
        assert_true(json_is_array(json_object_get(problem, "errors")));
    }
}

static void test_metrics(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "GET", "/metrics", NULL, NULL), 200);
    assert_true(g_str_has_prefix(f->body, "# HELP hikeshi_deliveries_total deliveries since the start\n"
                                          "# TYPE hikeshi_deliveries_total counter\n"
                                          "hikeshi_deliveries_total 7\n"
                                          "# HELP hikeshi_http_body_bytes http body bytes\n"));
    assert_non_null(strstr(f->body, "\nhikeshi_http_connections 1\n"));
    assert_true(g_str_has_suffix(f->body, "# HELP hikeshi_runs runs\n"
                                          "# TYPE hikeshi_runs gauge\n"
                                          "hikeshi_runs{state=\"failed\"} 2\n"
                                          "hikeshi_runs{state=\"queued\"} 1\n"
                                          "# HELP hikeshi_store_seconds store seconds\n"
                                          "# TYPE hikeshi_store_seconds gauge\n"
                                          "hikeshi_store_seconds 0.5\n"));
}

/* --- webhooks
 * --------------------------------------------------------------------------------------------------------------------
 */

static void test_webhook(void **state)
{
    struct fixture *f = *state;
    start(f, "POST", "/hooks/pd?auth_token=t", NULL, "{raw \xff", "X-PagerDuty-Signature: v1=ab", false);
    wait_done(f);
    assert_int_equal(f->status, 202);
    assert_string_equal(fake.source, "pd");
    assert_string_equal(fake.body, "{raw \xff");
    assert_string_equal(fake.header, "v1=ab");
    assert_string_equal(fake.query, "t");
    static const struct {
        int status;
        const char *code;
    } rows[] = {{200, NULL},        {401, "unauthenticated"}, {403, "bad_signature"},
                {404, "not_found"}, {400, "invalid"},         {503, "busy"}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        fake.status = rows[i].status;
        fake.retry_after_s = rows[i].status == 503 ? 5 : 0;
        assert_int_equal(ask(f, "POST", "/hooks/pd", NULL, "{}"), rows[i].status);
        assert_string_equal(header(f, "retry-after"), rows[i].status == 503 ? "5" : "");
        g_autoptr(json_t) answer = json_parse(f->body, strlen(f->body), "answer", NULL);
        if (g_strcmp0(json_get_string(answer, "code", NULL), rows[i].code) != 0)
            fail_msg("%d came with '%s'", rows[i].status, f->body);
    }
    g_autofree char *large = g_strnfill(LIMIT_WEBHOOK_BODY_BYTES + 1, ' ');
    assert_int_equal(ask(f, "POST", "/hooks/pd", NULL, large), 413);
}

/* A body that nobody wants costs nothing: route, credentials and source come before its size. */
static void test_what_is_looked_at_before_a_body(void **state)
{
    static const struct {
        const char *why, *method, *path, *token;
        int refused, status; /* of the fake source; wanted */
    } rows[] = {
        {"no token", "POST", "/api/v1/runs", NULL, 0, 401},
        {"a bad token", "POST", "/api/v1/runs", "nonsense", 0, 401},
        {"a role too low", "POST", "/api/v1/runs", "viewer", 0, 403},
        {"too large for the API", "POST", "/api/v1/runs", "operator", 0, 413},
        {"no such path", "POST", "/nothing", NULL, 0, 404},
        {"no such method", "PUT", "/api/v1/runs", "operator", 0, 405},
        {"a source that there is not", "POST", "/hooks/nobody", NULL, 404, 404},
        {"bad credentials in the headers", "POST", "/hooks/am", NULL, 401, 401},
        {"a webhook may be this large", "POST", "/hooks/pd", NULL, 0, 202},
        {"an unknown repository", "POST", "/hooks/git/nobody", NULL, 0, 403},
        {"a push without a signature", "POST", "/hooks/git/ops", NULL, 0, 403},
    };
    struct fixture *f = *state;
    g_autofree char *body = g_strnfill(LIMIT_API_BODY_BYTES + 1, ' ');
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        fake.called = NULL;
        fake.refused = rows[i].refused;
        int status = ask(f, rows[i].method, rows[i].path, rows[i].token, body);
        if (status != rows[i].status || (fake.called != NULL) != (status == 202))
            row_failed(rows[i].why, "%d, %s was called", status, fake.called != NULL ? fake.called : "nothing");
    }
    body[LIMIT_OPEN_BODY_BYTES + 1] = '\0'; /* routes that need no token and no body take next to nothing */
    assert_int_equal(ask(f, "GET", "/healthz", NULL, body), 413);
    assert_int_equal(ask(f, "GET", "/healthz", NULL, "{}"), 200);
}

static void test_push_webhook(void **state)
{
    struct fixture *f = *state;
    fake.pushed = true;
    start(f, "POST", "/hooks/git/ops", NULL, "{}", "X-Hub-Signature-256: sha256=ab", false);
    wait_done(f);
    assert_int_equal(f->status, 202);
    start(f, "POST", "/hooks/git/ops", NULL, "{}", "X-Hub-Signature-256: sha256=cd", false);
    wait_done(f);
    assert_int_equal(f->status, 403);
    fake.called = NULL;
    assert_int_equal(ask(f, "POST", "/hooks/git/ops", NULL, "{}"), 403);
    assert_null(fake.called); /* without a signature nothing is asked */
}

/* --- the live log
 * ------------------------------------------------------------------------------------------------------------------ */

static void follow(struct fixture *f, const char *path, const char *last_event_id)
{
    g_autofree char *accept = last_event_id != NULL ? g_strdup_printf("Last-Event-ID: %s", last_event_id) : NULL;
    g_autofree char *url = g_strconcat(f->base, path, NULL);
    const char *headers[] = {"Authorization: Bearer viewer", "Accept: text/event-stream", accept, NULL};
    f->done = false;
    http_client_send(f->client, &(struct http_request){.url = url, .headers = headers}, on_done, f);
}

/* The ids of the stream, in order: "1 2 3". */
static char *ids_of(const char *stream)
{
    g_autoptr(GString) ids = g_string_new(NULL);
    for (const char *at = stream; (at = strstr(at, "id: ")) != NULL; at += 4)
        g_string_append_printf(ids, "%s%d", ids->len > 0 ? " " : "", atoi(at + 4));
    return g_strdup(ids->str);
}

static void expect_ids(struct fixture *f, const char *wanted)
{
    wait_done(f);
    assert_int_equal(f->status, 200);
    g_autofree char *ids = ids_of(f->body);
    assert_string_equal(ids, wanted);
    assert_non_null(strstr(f->body, "event: end\ndata: {}\n\n"));
}

static void wait_listener(struct fixture *f)
{
    while (fake.listener == NULL || fake.log_reads == 0)
        loop_step(f->jobs.loop);
}

static void fake_stored(int count)
{
    fake.log = json_array();
    for (int n = 1; n <= count; n++)
        fake_event(n, "output", false);
}

static void test_log_of_an_ended_run(void **state)
{
    struct fixture *f = *state;
    fake_stored(3);
    fake.ended = true;
    follow(f, "/api/v1/runs/run_1/log", NULL);
    expect_ids(f, "1 2 3");
    assert_string_equal(header(f, "content-type"), "text/event-stream");
    assert_string_equal(fake.topic, "run:run_1");
    assert_non_null(strstr(f->body, "event: output\nid: 1\ndata: {\"kind\":\"output\",\"n\":1,\"run\":\"run_1\"}\n\n"));
    follow(f, "/api/v1/runs/run_1/log", "2");
    expect_ids(f, "3");
    follow(f, "/api/v1/runs/run_1/log?after=1", NULL);
    expect_ids(f, "2 3");
    assert_null(fake.listener);
}

static void test_log_goes_from_stored_to_live(void **state)
{
    struct fixture *f = *state;
    fake_stored(2);
    follow(f, "/api/v1/runs/run_1/log", NULL);
    wait_listener(f);
    fake_event(3, "output", true);
    fake_event(4, "note", true);
    fake.ended = true;
    fake_event(5, "run_end", true);
    expect_ids(f, "1 2 3 4 5");
}

/* Events that are stored while a page is being read are published before it arrives: no gap. And one that the page
 * holds is published after it: no repeat. */
static void test_log_has_no_gap_and_no_repeat(void **state)
{
    struct fixture *f = *state;
    fake_stored(2);
    fake.log_held = true;
    follow(f, "/api/v1/runs/run_1/log", NULL);
    wait_listener(f);
    fake_event(3, "output", true); /* published, not in the page */
    fake_log_release();            /* 1, 2; the reader reads on */
    assert_int_equal(fake.log_reads, 2);
    fake_log_release();
    json_t *late = json_pack("{s:i, s:s}", "n", 3, "kind", "output");
    fake.listener(fake.listener_arg, late);
    json_decref(late);
    fake.log_held = false;
    fake.ended = true;
    fake_event(4, "run_end", true);
    expect_ids(f, "1 2 3 4");
}

static void test_log_pages_a_long_run(void **state)
{
    struct fixture *f = *state;
    fake_stored(1234);
    fake.ended = true;
    follow(f, "/api/v1/runs/run_1/log?after=234", NULL);
    wait_done(f);
    g_autofree char *ids = ids_of(f->body);
    assert_true(g_str_has_prefix(ids, "235 236 "));
    assert_true(g_str_has_suffix(ids, " 1233 1234"));
    g_auto(GStrv) all = g_strsplit(ids, " ", -1);
    assert_int_equal(g_strv_length(all), 1000);
}

/* A run that ended without a last event of its own kind is not waited for. */
static void test_log_that_ends_by_a_state_change(void **state)
{
    struct fixture *f = *state;
    fake_stored(1);
    follow(f, "/api/v1/runs/run_1/log", NULL);
    wait_listener(f);
    fake.ended = true;
    fake_event(2, "run", true);
    expect_ids(f, "1 2");
}

static void test_log_of_no_run(void **state)
{
    struct fixture *f = *state;
    fake.code = ERROR_NOT_FOUND;
    follow(f, "/api/v1/runs/run_1/log", NULL);
    wait_done(f);
    assert_int_equal(f->status, 404);
    assert_null(fake.listener);
}

/* Nothing else happens, and yet the stream ends, without the word that the run has. */
static void test_log_ends_with_its_token(void **state)
{
    struct fixture *f = *state;
    fake_stored(2);
    follow(f, "/api/v1/runs/run_1/log", NULL);
    wait_listener(f);
    fake.revoked = "viewer";
    wait_done(f);
    g_autofree char *ids = ids_of(f->body);
    assert_string_equal(ids, "1 2");
    assert_null(strstr(f->body, "event: end"));
    assert_null(fake.listener);
}

static void on_stream(void *arg, const struct http_response *response, const GError *error)
{
    int *statuses = arg;
    if (error == NULL)
        statuses[response->status == 503]++;
}

static void test_log_streams_of_one_token(void **state)
{
    struct fixture *f = *state;
    fake_stored(1);
    int statuses[2] = {0};
    g_autofree char *url = g_strconcat(f->base, "/api/v1/runs/run_1/log", NULL);
    const char *headers[] = {"Authorization: Bearer viewer", "Accept: text/event-stream", NULL};
    for (int i = 0; i <= LIMIT_SSE_CLIENTS_OF_TOKEN; i++)
        http_client_send(f->client, &(struct http_request){.url = url, .headers = headers}, on_stream, statuses);
    while (statuses[1] == 0)
        loop_step(f->jobs.loop);
    fake.ended = true; /* the others are unharmed; somebody else's come through */
    headers[0] = "Authorization: Bearer operator";
    f->done = false;
    http_client_send(f->client, &(struct http_request){.url = url, .headers = headers}, on_done, f);
    wait_done(f);
    assert_int_equal(f->status, 200);
    assert_int_equal(statuses[1], 1);
}

static void test_log_as_json(void **state)
{
    struct fixture *f = *state;
    fake.result = json_pack("{s:[]}", "items");
    assert_int_equal(ask(f, "GET", "/api/v1/runs/run_1/log?after=5&limit=10", "viewer", NULL), 200);
    assert_string_equal(asked_for("after"), "5");
}

/* The server ends while a reader waits for a page: its answer comes to nobody. */
static void test_log_reader_outlives_its_server(void **state)
{
    struct fixture *f = *state;
    fake_stored(1);
    fake.log_held = true;
    follow(f, "/api/v1/runs/run_1/log", NULL);
    wait_listener(f);
    http_client_free(f->client);
    f->client = NULL;
    web_free(g_steal_pointer(&f->web));
    fake_log_release();
}

/* --- docs
 * -------------------------------------------------------------------------------------------------------------------------
 */

static void test_docs_name_every_route(void **state)
{
    (void)state;
    g_autofree char *page = NULL;
    assert_true(g_file_get_contents("docs/api.md", &page, NULL, NULL));
    for (const struct web_route *const *table = web_routes; *table != NULL; table++) {
        for (const struct web_route *route = *table; route->method != NULL; route++) {
            if (route->role == ROLE_RUNNER)
                continue; /* docs/design/wire.md */
            g_autoptr(GString) line = g_string_new(NULL);
            g_string_printf(line, "`%s %s`", route->method, route->path);
            g_string_replace(line, "...}", "}", 0);
            if (strstr(page, line->str) == NULL)
                fail_msg("docs/api.md does not name %s", line->str);
        }
    }
}

static void test_openapi_names_every_route(void **state)
{
    (void)state;
    g_autoptr(json_t) page = openapi_describe(web_routes);
    json_t *paths = json_object_get(page, "paths");
    for (const struct web_route *const *table = web_routes; *table != NULL; table++) {
        for (const struct web_route *route = *table; route->method != NULL; route++) {
            g_autoptr(GString) path = g_string_new(route->path);
            g_string_replace(path, "...}", "}", 0);
            g_autofree char *method = g_ascii_strdown(route->method, -1);
            const json_t *operation = json_object_get(json_object_get(paths, path->str), method);
            if ((operation != NULL) != (route->role != ROLE_RUNNER))
                fail_msg("%s %s", route->method, route->path);
            if (operation != NULL)
                assert_string_equal(json_get_string(operation, "summary", ""), route->help);
        }
    }
    json_t *start_run = json_object_get(json_object_get(paths, "/api/v1/runs"), "post");
    g_autofree char *text = json_text(json_object_get(start_run, "requestBody"));
    assert_non_null(strstr(text, "\"required\":[\"runbook\"]"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_every_route_needs_its_role),
        T(test_open_routes),
        T(test_a_new_token_is_found_before_a_401),
        T(test_credential_forms),
        T(test_misses),
        T(test_poll),
        T(test_head_is_get_without_a_body),
        T(test_ids_in_paths),
        T(test_query_parameters),
        T(test_bodies),
        T(test_idempotency_key),
        T(test_answers),
        T(test_errors_are_problems),
        T(test_metrics),
        T(test_webhook),
        T(test_what_is_looked_at_before_a_body),
        T(test_push_webhook),
        T(test_log_of_an_ended_run),
        T(test_log_goes_from_stored_to_live),
        T(test_log_has_no_gap_and_no_repeat),
        T(test_log_pages_a_long_run),
        T(test_log_that_ends_by_a_state_change),
        T(test_log_of_no_run),
        T(test_log_ends_with_its_token),
        T(test_log_streams_of_one_token),
        T(test_log_as_json),
        T(test_log_reader_outlives_its_server),
        cmocka_unit_test(test_docs_name_every_route),
        cmocka_unit_test(test_openapi_names_every_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
