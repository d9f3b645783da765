/* http: see http.h. */
#include "runner/http.h"

#include "core/errors.h"
#include "runner/reach.h"

#include <string.h>

/* Of an error page, in the error's message. */
#define EXCERPT_BYTES 200

struct exchange {
    struct loop *loop;
    struct op *op;
    struct http_call *call;
    const struct reach *reach;
    char *host;
    uint64_t started_ms;
};

static void exchange_end(struct exchange *exchange, json_t *result, GError *error)
{
    struct op *op = exchange->op;

    op_on_cancel(op, NULL, NULL);
    g_free(exchange->host);
    g_free(exchange);
    op_done(op, result, error);
    op_unref(op);
}

static void exchange_cancel(void *arg, int code)
{
    struct exchange *exchange = arg;

    http_call_cancel(exchange->call);
    exchange_end(exchange, NULL,
                 g_error_new(HIKESHI_ERROR, code,
                             "the request was given up: %s; the server may have done what it asks for",
                             errors_text(code)));
}

static json_t *headers_json(GHashTable *headers)
{
    json_t *object = json_object();
    GHashTableIter iter;
    gpointer name, value;

    g_hash_table_iter_init(&iter, headers);
    while (g_hash_table_iter_next(&iter, &name, &value))
        json_object_set_new(object, name, json_text_value(value, strlen(value)));
    return object;
}

static void exchange_done(void *arg, const struct http_response *response, const GError *error)
{
    struct exchange *exchange = arg;

    if (error) {
        exchange_end(exchange, NULL, g_error_copy(error));
        return;
    }
    json_t *result = json_object();
    uint64_t took_ms = loop_now_ms(exchange->loop) - exchange->started_ms;
    json_object_set_new(result, "status", json_integer(response->status));
    json_object_set_new(result, "headers", headers_json(response->headers));
    json_object_set_new(result, "body", json_stringn_nocheck(response->body, response->body_length));
    json_object_set_new(result, "duration_ms", json_integer((json_int_t)took_ms));
    exchange_end(exchange, result, NULL);
}

static char **header_lines(const json_t *headers)
{
    g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)headers, name, value) {
        g_autofree char *line = g_strdup_printf("%s: %s", name, json_string_value(value));
        g_strv_builder_add(lines, line);
    }
    return g_strv_builder_end(lines);
}

/* A header is one line: what a value adds to it must not be another. */
static bool headers_fit(const json_t *headers, GError **error)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)headers, name, value) {
        const char *text = json_string_value(value);
        if (*name && !strpbrk(name, ": \t\r\n") && text && !strpbrk(text, "\r\n"))
            continue;
        errors_set(error, ERROR_INVALID, "'%s' is no header of one line", name);
        return false;
    }
    return true;
}

/* The names and addresses that a URL gives; what names resolve to is looked at when the connection is made. */
static char *host_allowed(const struct reach *reach, const json_t *request, GError **error)
{
    g_autofree char *host = http_url_host(json_get_string(request, "url", ""));

    if (!host)
        errors_set(error, ERROR_INVALID, "the URL has no host that can be read");
    return host && reach_allows_host(reach, host, error) ? g_steal_pointer(&host) : NULL;
}

static bool may_connect(void *arg, const struct sockaddr *address)
{
    const struct exchange *exchange = arg;

    return reach_allows_address(exchange->reach, exchange->host, address);
}

void http_send(struct loop *loop, struct http_client *client, const struct reach *reach, const json_t *request,
               struct op *op)
{
    const json_t *body = json_object_get(request, "body");
    GError *error = NULL;
    char *host = NULL;

    if (!headers_fit(json_object_get(request, "headers"), &error) || !(host = host_allowed(reach, request, &error))) {
        op_done(op, NULL, error);
        return;
    }
    g_auto(GStrv) headers = header_lines(json_object_get(request, "headers"));
    struct http_request sent = {
        .method = json_get_string(request, "method", "GET"),
        .url = json_get_string(request, "url", ""),
        .headers = (const char *const *)headers,
        .body = json_string_value(body),
        .body_length = json_string_length(body),
        .timeout_ms = json_get_integer(request, "timeout_ms", 0),
        .max_body = (size_t)MAX(0, json_get_integer(request, "max_bytes", 0)),
    };
    struct exchange *exchange = g_new0(struct exchange, 1);
    *exchange = (struct exchange){
        .loop = loop, .op = op_ref(op), .reach = reach, .host = host, .started_ms = loop_now_ms(loop)};
    sent.may_connect = may_connect;
    sent.may_connect_arg = exchange;
    op_on_cancel(op, exchange_cancel, exchange);
    exchange->call = http_client_send(client, &sent, exchange_done, exchange);
}

char *http_name(const struct mask *mask, const json_t *request)
{
    g_autoptr(json_t) masked = mask_json(mask, json_object_get(request, "url"));
    g_autofree char *url = g_strdup(json_string_value(masked) ? json_string_value(masked) : "");
    char *rest = strstr(url, "://");

    url[strcspn(url, "?#")] = '\0';
    if (rest && *rest) {
        char *host = rest + 3, *user = memrchr(host, '@', strcspn(host, "/"));
        if (user)
            memmove(host, user + 1, strlen(user));
    }
    return g_strdup_printf("%s %s", json_get_string(request, "method", "GET"), url);
}

json_t *http_problem(const struct mask *mask, const char *name, const json_t *result)
{
    const json_t *body = json_object_get(result, "body");
    size_t length = MIN(json_string_length(body), EXCERPT_BYTES);
    g_autofree char *text = mask_cut_bytes(mask, json_string_value(body), length, &length);
    g_autoptr(GString) problem = g_string_new(name);

    g_string_append_printf(problem, " was answered with status %" JSON_INTEGER_FORMAT "%s",
                           json_get_integer(result, "status", 0), length > 0 ? ": " : "");
    for (size_t i = 0; i < length; i++)
        g_string_append_c(problem, (guint8)text[i] < 0x20 || text[i] == 0x7F ? ' ' : text[i]);
    return json_text_value(problem->str, problem->len);
}
