/* client: one request to the API after another. Knows HTTP statuses and problem+json, no resource by name. */
#include "cli/client.h"
#include "cli/sse.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/http_client.h"
#include <string.h>

#define DEFAULT_SERVER     "http://127.0.0.1:8460"
#define DEFAULT_TOKEN_FILE "data/admin-token"
#define PAGE_ITEMS         ((size_t)200)
#define STREAM_TIMEOUT_MS  (24 * 60 * 60 * 1000LL) /* a run may wait for people all day */
#define STREAM_RETRY_US    (500 * 1000)            /* between attempts to reconnect */
#define STREAM_HEAD_BYTES  (16 * 1024)             /* kept of an answer that may be an error and no stream */

struct client {
    char *server; /* no trailing slash */
    char *authorization;
    bool answered; /* the server is there: a stream that breaks before its first event is tried again */
};

static char *read_token(const struct cli_call *call, GError **error)
{
    const char *path = cli_value(call, "token-file");
    const char *variable = g_getenv("HIKESHI_TOKEN");
    if (!path && variable && *variable)
        return g_strdup(variable);
    if (!path && !g_file_test(DEFAULT_TOKEN_FILE, G_FILE_TEST_EXISTS))
        return g_strdup("");
    g_autoptr(GError) problem = NULL;
    char *token = NULL;
    if (!g_file_get_contents(path ? path : DEFAULT_TOKEN_FILE, &token, NULL, &problem)) {
        errors_set(error, path ? ERROR_USAGE : ERROR_IO, "cannot read the token: %s", problem->message);
        return NULL;
    }
    return g_strstrip(token);
}

struct client *client_new(const struct cli_call *call, GError **error)
{
    const char *server = cli_value(call, "server");
    if (!server)
        server = g_getenv("HIKESHI_SERVER");
    if (!server || !*server)
        server = DEFAULT_SERVER;
    if (!g_str_has_prefix(server, "http://") && !g_str_has_prefix(server, "https://")) {
        errors_set(error, ERROR_USAGE, "the server must be an http:// or https:// URL, not '%s'", server);
        return NULL;
    }
    g_autofree char *token = read_token(call, error);
    if (!token)
        return NULL;
    if (strpbrk(token, "\r\n")) {
        errors_set(error, ERROR_USAGE, "the token must be one line");
        return NULL;
    }
    struct client *client = g_new0(struct client, 1);
    client->server = g_strdup(server);
    for (size_t n = strlen(client->server); n && client->server[n - 1] == '/'; n--)
        client->server[n - 1] = '\0';
    client->authorization = *token ? g_strdup_printf("Authorization: Bearer %s", token) : NULL;
    crypto_wipe(token, strlen(token));
    return client;
}

const char *client_url(const struct client *client)
{
    return client->server;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    if (client->authorization)
        crypto_wipe(client->authorization, strlen(client->authorization));
    g_free(client->authorization);
    g_free(client->server);
    g_free(client);
}

static int code_of_status(int status)
{
    static const struct {
        int status, code;
    } table[] = {{401, ERROR_UNAUTHENTICATED}, {403, ERROR_FORBIDDEN}, {404, ERROR_NOT_FOUND},
                 {409, ERROR_CONFLICT},        {413, ERROR_TOO_LARGE}, {503, ERROR_BUSY}};
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (table[i].status == status)
            return table[i].code;
    }
    return status >= 500 ? ERROR_INTERNAL : ERROR_INVALID;
}

/* Turns an answer that is not 2xx into our error: problem+json when it is one. */
static void problem(const struct client *client, int status, const char *body, size_t length, GError **error)
{
    g_autoptr(json_t) parsed = json_parse(body, length, "answer", NULL);
    const char *code = json_path_string(parsed, "code");
    const char *detail = json_path_string(parsed, "detail");
    if (!detail)
        detail = json_path_string(parsed, "title");
    int number = code ? errors_from_code(code) : code_of_status(status);
    if (number == ERROR_UNAUTHENTICATED && !client->authorization)
        errors_set(error, number, "%s needs a token: set HIKESHI_TOKEN or give --token-file", client->server);
    else if (detail)
        errors_set(error, number, "%s", detail);
    else
        errors_set(error, number, "%s answered with status %d", client->server, status);
}

static void unreachable(const struct client *client, const GError *cause, GError **error)
{
    if (g_error_matches(cause, HIKESHI_ERROR, ERROR_TIMEOUT))
        errors_set(error, ERROR_UNAVAILABLE, "%s does not answer: %s", client->server, cause->message);
    else
        g_propagate_error(error, g_error_copy(cause));
}

/* *ret is an answer of 2xx: http_response_clear(). */
static bool ask(struct client *client, const char *method, const char *path, const json_t *body,
                struct http_response *ret, GError **error)
{
    g_autofree char *url = g_strconcat(client->server, "/api/v1", path, NULL);
    g_autofree char *id = crypto_id("cli");
    g_autofree char *key = g_strconcat("Idempotency-Key: ", id, NULL);
    g_autofree char *text = body ? json_text(body) : g_strdup("");
    const char *headers[6] = {"Accept: application/json, */*;q=0.5"};
    size_t n = 1;
    if (client->authorization)
        headers[n++] = client->authorization;
    if (strcmp(method, "POST") == 0) {
        headers[n++] = key;
        headers[n++] = "Content-Type: application/json";
    }
    struct http_request http = {
        .method = method, .url = url, .headers = headers, .body = text, .body_length = strlen(text)};
    g_autoptr(GError) cause = NULL;
    if (!http_client_send_sync(&http, NULL, NULL, ret, &cause)) {
        unreachable(client, cause, error);
        return false;
    }
    client->answered = true;
    if (ret->status >= 200 && ret->status <= 299)
        return true;
    problem(client, ret->status, ret->body, ret->body_length, error);
    http_response_clear(ret);
    return false;
}

static json_t *request(struct client *client, const char *method, const char *path, const json_t *body, GError **error)
{
    struct http_response response = {0};
    if (!ask(client, method, path, body, &response, error))
        return NULL;
    g_autofree char *name = g_strconcat(client->server, "/api/v1", path, NULL);
    json_t *answer =
        response.body_length == 0 ? json_null() : json_parse(response.body, response.body_length, name, error);
    http_response_clear(&response);
    return answer;
}

GBytes *client_get_bytes(struct client *client, const char *path, GError **error)
{
    struct http_response response = {0};
    if (!ask(client, "GET", path, NULL, &response, error))
        return NULL;
    GBytes *bytes = g_bytes_new(response.body, response.body_length);
    http_response_clear(&response);
    return bytes;
}

json_t *client_get(struct client *client, const char *path, GError **error)
{
    return request(client, "GET", path, NULL, error);
}

json_t *client_post(struct client *client, const char *path, const json_t *body, GError **error)
{
    g_autoptr(json_t) empty = body ? NULL : json_object();
    return request(client, "POST", path, body ? body : empty, error);
}

json_t *client_delete(struct client *client, const char *path, GError **error)
{
    return request(client, "DELETE", path, NULL, error);
}

/* One page (wanted 0: the whole list, of those without pages): what is still wanted, after `after` (NULL: from the
 * start). */
static json_t *get_page(struct client *client, const char *path, size_t wanted, const char *after, GError **error)
{
    if (wanted == 0)
        return client_get(client, path, error);
    g_autoptr(GString) url = g_string_new(path);
    g_string_append_printf(url, "%climit=%zu", strchr(path, '?') ? '&' : '?', MIN(wanted, PAGE_ITEMS));
    if (after) {
        g_string_append(url, "&after=");
        g_string_append_uri_escaped(url, after, NULL, FALSE);
    }
    return client_get(client, url->str, error);
}

json_t *client_list(struct client *client, const char *path, size_t max, GError **error)
{
    g_autoptr(json_t) all = json_array(), next = json_null();
    for (bool more = true; more && (max == 0 || json_array_size(all) < max);) {
        g_autofree char *after = json_is_null(next) ? NULL : json_scalar_text(next);
        g_autoptr(json_t) page = get_page(client, path, max ? max - json_array_size(all) : 0, after, error);
        if (!page)
            return NULL;
        const json_t *items = json_object_get(page, "items");
        json_t *cursor = json_object_get(page, "next");
        json_array_extend(all, (json_t *)items);
        json_decref(next);
        next = cursor ? json_incref(cursor) : json_null();
        more = max > 0 && json_array_size(items) > 0 && !json_is_null(next);
    }
    return json_pack("{s:O, s:O}", "items", all, "next", next);
}

/* One stream over several connections. */
struct stream {
    client_event_fn fn;
    void *arg;
    struct sse *sse;
    GString *head; /* the first bytes of this connection, for an error's body */
    bool stopped;  /* fn wants no more */
    bool progress; /* an event came on this connection */
    GError *error; /* an event that is not JSON */
};

static bool on_event(void *arg, const char *event, const char *id G_GNUC_UNUSED, const char *data)
{
    struct stream *stream = arg;
    g_autoptr(json_t) value = json_parse(data, strlen(data), "event", &stream->error);
    if (!value)
        return false;
    stream->progress = true;
    stream->stopped = !stream->fn(stream->arg, event, value);
    return !stream->stopped;
}

static bool on_data(void *arg, const char *bytes, size_t length)
{
    struct stream *stream = arg;
    if (stream->head->len < STREAM_HEAD_BYTES)
        g_string_append_len(stream->head, bytes, (gssize)MIN(length, STREAM_HEAD_BYTES - stream->head->len));
    return sse_feed(stream->sse, bytes, length);
}

/* One connection. False: no sense in another one, *error says why, or the reader has all it wants (no error). */
static bool stream_once(struct client *client, struct stream *stream, const char *url, bool *ret_reached,
                        GError **error)
{
    const char *last = sse_last_id(stream->sse);
    g_autofree char *last_id = last ? g_strconcat("Last-Event-ID: ", last, NULL) : NULL;
    const char *headers[4] = {"Accept: text/event-stream"};
    size_t n = 1;
    if (client->authorization)
        headers[n++] = client->authorization;
    if (last_id)
        headers[n++] = last_id;
    struct http_request http = {
        .method = "GET", .url = url, .headers = headers, .timeout_ms = STREAM_TIMEOUT_MS, .max_body = (size_t)1 << 40};
    struct http_response response = {0};
    g_autoptr(GError) cause = NULL;
    sse_reconnected(stream->sse);
    g_string_truncate(stream->head, 0);
    stream->progress = false;
    bool sent = http_client_send_sync(&http, on_data, stream, &response, &cause);
    *ret_reached = sent || stream->progress;
    bool again = false;
    if (stream->stopped)
        ;
    else if (stream->error)
        g_propagate_error(error, g_steal_pointer(&stream->error));
    else if (sse_overflowed(stream->sse))
        errors_set(error, ERROR_TOO_LARGE, "the server sent an event that is too large");
    else if (sent && (response.status < 200 || response.status > 299))
        problem(client, response.status, stream->head->str, stream->head->len, error);
    else if (!sent && !stream->progress && !last && !client->answered)
        unreachable(client, cause, error);
    else
        again = true;
    if (sent)
        http_response_clear(&response);
    return again;
}

bool client_stream(struct client *client, const char *path, client_event_fn fn, void *arg, GError **error)
{
    g_autofree char *url = g_strconcat(client->server, "/api/v1", path, NULL);
    struct stream stream = {.fn = fn, .arg = arg, .head = g_string_new(NULL)};
    stream.sse = sse_new(on_event, &stream);
    g_autoptr(GError) problem_found = NULL;
    bool reached = true;
    int failures = 0;
    while (stream_once(client, &stream, url, &reached, &problem_found)) {
        failures = reached && stream.progress ? 0 : failures + 1;
        if (failures >= CLIENT_STREAM_ATTEMPTS) {
            errors_set(&problem_found, ERROR_UNAVAILABLE, "lost the connection to %s", client->server);
            break;
        }
        if (failures)
            g_usleep(STREAM_RETRY_US); /* pace of reconnecting, not synchronisation */
    }
    sse_free(stream.sse);
    g_string_free(stream.head, TRUE);
    g_clear_error(&stream.error);
    if (problem_found)
        g_propagate_error(error, g_steal_pointer(&problem_found));
    return stream.stopped;
}

char *client_path(const char *prefix, const char *id, const char *suffix)
{
    g_autofree char *escaped = g_uri_escape_string(id, NULL, FALSE);
    return g_strconcat(prefix, escaped, suffix, NULL);
}
