/* server_request: one exchange: the request line, refusals, the answer. Its body: server_body.c. See server.h.
 *
 * The work a request costs here is one allocation for its paths and, with a body, one more: headers stay where
 * libmicrohttpd has them and are looked up only when a handler asks. */
#include "core/errors.h"
#include "web/server_private.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <strings.h>

/* --- the request line
 * ------------------------------------------------------------------------------------------------- */

/* Decodes %XX; a bad escape stays as it is. False when a NUL hides in it: C strings would end there. */
static bool decode_path(const char *from, char *to)
{
    for (; *from != '\0'; from++, to++) {
        int high = from[0] == '%' ? g_ascii_xdigit_value(from[1]) : -1;
        int low = high >= 0 ? g_ascii_xdigit_value(from[2]) : -1;
        *to = low >= 0 ? (char)(high * 16 + low) : *from;
        if (*to == '\0')
            return false;
        if (low >= 0)
            from += 2;
    }
    *to = '\0';
    return true;
}

/* "http://host/path" (RFC 9112 3.2.2: a server must take it) → "/path". */
static const char *skip_authority(const char *uri)
{
    if (*uri == '/')
        return uri;
    for (const char *const *scheme = (const char *const[]){"http://", "https://", NULL}; *scheme != NULL; scheme++) {
        size_t length = strlen(*scheme);
        if (g_ascii_strncasecmp(uri, *scheme, length) == 0)
            return uri + length + strcspn(uri + length, "/?");
    }
    return uri;
}

/* Called for each request line, before anything else; what it returns is the exchange's context. */
void *request_begin(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct server *server = arg;
    uri = skip_authority(uri);
    size_t length = strcspn(uri, "?#");
    struct server_request *request = g_malloc(sizeof *request + 2 * (length + 1));
    memset(request, 0, sizeof *request);
    request->references = 1;
    request->server = server;
    request->refusal = -1;
    request->socket = connection_of(connection);
    connection_receives(request->socket);
    memcpy(request->raw_path, uri, length);
    request->raw_path[length] = '\0';
    request->path = request->raw_path + length + 1;
    request->bad_path = !decode_path(request->raw_path, request->path) || request->path[0] != '/';
    request->next = server->exchanges;
    if (request->next != NULL)
        request->next->link = &request->next;
    request->link = &server->exchanges;
    server->exchanges = request;
    return request;
}

/* --- headers that libmicrohttpd would accept
 * ---------------------------------------------------------------------------- */

struct header_check {
    unsigned content_lengths, transfer_encodings, hosts;
    bool bad_name, chunked, waits_for_continue;
    uint64_t content_length;
};

/* RFC 9110 5.6.2: tchar. */
static bool is_token(const char *name)
{
    static const char extra[] = "!#$%&'*+-.^_`|~";
    const char *p = name;
    while (*p != '\0' && (g_ascii_isalnum(*p) || strchr(extra, *p) != NULL))
        p++;
    return *p == '\0' && p != name;
}

static enum MHD_Result check_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct header_check *check = arg;
    if (name == NULL || value == NULL || !is_token(name)) {
        check->bad_name = true;
        return MHD_NO;
    }
    switch (name[0] | 0x20) {
    case 'c':
        if (strcasecmp(name, "content-length") == 0) {
            check->content_lengths++;
            check->content_length = g_ascii_strtoull(value, NULL, 10);
        }
        break;
    case 't':
        if (strcasecmp(name, "transfer-encoding") == 0) {
            check->transfer_encodings++;
            check->chunked = strcasecmp(value, "chunked") == 0;
        }
        break;
    case 'h':
        check->hosts += strcasecmp(name, "host") == 0;
        break;
    case 'e':
        check->waits_for_continue |= strcasecmp(name, "expect") == 0;
        break;
    default:
        break;
    }
    return MHD_YES;
}

/* What is wrong with the framing, or NULL. Two readings of one message are how requests are smuggled past a proxy. */
static const char *framing_problem(const struct header_check *check, const char *version)
{
    if (check->bad_name)
        return "a header's name is malformed";
    if (check->content_lengths > 1)
        return "more than one Content-Length";
    if (check->content_lengths > 0 && check->transfer_encodings > 0)
        return "Content-Length together with Transfer-Encoding";
    if (check->transfer_encodings > 1 || (check->transfer_encodings > 0 && !check->chunked))
        return "a Transfer-Encoding other than chunked";
    if (check->transfer_encodings > 0 && strcmp(version, MHD_HTTP_VERSION_1_1) != 0)
        return "Transfer-Encoding needs HTTP/1.1";
    if (check->hosts > 1)
        return "more than one Host";
    return NULL;
}

static enum MHD_Result queue_answer(struct server_request *request)
{
    struct MHD_Response *response = g_steal_pointer(&request->response);
    enum MHD_Result result = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result request_answer_now(struct server_request *request)
{
    connection_received(request->socket);
    request->phase = REQUEST_ANSWERED;
    return queue_answer(request);
}

enum MHD_Result request_refuse(struct server_request *request, int code, const char *detail)
{
    request->phase = REQUEST_HANDLING;
    server_answer_problem(request, errors_http_status(code), errors_code(code), detail, NULL);
    return request_answer_now(request);
}

static enum MHD_Result accept_headers(struct server_request *request, const char *method, const char *version)
{
    g_strlcpy(request->method, method, sizeof request->method);
    struct header_check check = {0};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, check_header, &check);
    const char *problem = request->bad_path ? "the path is malformed" : framing_problem(&check, version);
    if (problem != NULL)
        return request_refuse(request, ERROR_INVALID, problem);
    request->content_length = check.content_length;
    request->waits_for_continue = check.waits_for_continue;
    if (check.content_length > 0 || check.chunked)
        return body_announced(request);
    request->phase = REQUEST_READING;
    return MHD_YES;
}

/* --- handling
 * ----------------------------------------------------------------------------------------------------------- */

static enum MHD_Result handle(struct server_request *request)
{
    connection_received(request->socket);
    request->phase = REQUEST_HANDLING;
    if (request->refusal >= 0)
        server_answer_problem(request, errors_http_status(request->refusal), errors_code(request->refusal),
                              request->refusal == ERROR_BUSY ? "too many large requests at once"
                                                             : "the body is too large",
                              request->refusal == ERROR_BUSY ? (const char *const[]){"Retry-After: 2", NULL} : NULL);
    else
        request->server->options.handler(request->server->options.arg, request);
    if (request->response != NULL) {
        request->phase = REQUEST_ANSWERED;
        return queue_answer(request);
    }
    request->phase = REQUEST_SUSPENDED;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

/* Called with the headers, then with each piece of the body, then once without, and again after each resume. */
enum MHD_Result request_access(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *upload, size_t *upload_length, void **context)
{
    (void)arg;
    (void)url;
    struct server_request *request = *context;
    switch (request->phase) {
    case REQUEST_NEW:
        request->connection = connection;
        return accept_headers(request, method, version);
    case REQUEST_READING:
        return *upload_length > 0 ? body_take(request, upload, upload_length) : handle(request);
    case REQUEST_PENDING:
        return body_decided(request);
    case REQUEST_SUSPENDED:
        if (request->response == NULL) /* woken for the end of the server */
            return MHD_NO;
        request->phase = REQUEST_ANSWERED;
        return queue_answer(request);
    default:
        return MHD_NO;
    }
}

void request_over(void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode how)
{
    (void)arg;
    (void)connection;
    (void)how;
    struct server_request *request = g_steal_pointer(context);
    if (request == NULL)
        return;
    *request->link = request->next;
    if (request->next != NULL)
        request->next->link = request->link;
    if (request->response != NULL)
        MHD_destroy_response(g_steal_pointer(&request->response));
    hangup_free(g_steal_pointer(&request->hangup));
    if (request->stream != NULL)
        stream_gone(g_steal_pointer(&request->stream));
    body_drop(request);
    linger_answered(g_steal_pointer(&request->linger));
    connection_rests(request->socket);
    request->socket = NULL;
    request->connection = NULL;
    request->server = NULL;
    server_request_unref(request);
}

/* --- answers
 * ------------------------------------------------------------------------------------------------------------ */

void request_respond(struct server_request *request, unsigned status, struct MHD_Response *response)
{
    bool open = request->connection != NULL && !request->server->stopping;
    if (!open || request->response != NULL || request->phase == REQUEST_ANSWERED) {
        if (open)
            g_critical("a request was answered twice: %s %s", request->method, request->path);
        MHD_destroy_response(response);
        return;
    }
    hangup_free(g_steal_pointer(&request->hangup));
    request->status = status;
    request->response = response;
    if (request->phase == REQUEST_SUSPENDED || request->phase == REQUEST_PENDING)
        server_resume(request->server, request->connection);
}

void response_harden(struct MHD_Response *response)
{
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
}

static void add_header_line(struct MHD_Response *response, const char *line)
{
    const char *colon = strchr(line, ':');
    g_return_if_fail(colon != NULL);
    g_autofree char *name = g_strndup(line, (size_t)(colon - line));
    if (MHD_add_response_header(response, name, colon + 1 + strspn(colon + 1, " ")) != MHD_YES)
        g_critical("a response header was refused: %s", name);
}

static struct MHD_Response *new_response(const char *content_type, const char *const *headers, const void *body,
                                         size_t length)
{
    /* libmicrohttpd copies; its parameter lacks a const. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
    g_assert(response != NULL);
    response_harden(response);
    if (content_type != NULL)
        MHD_add_response_header(response, "Content-Type", content_type);
    for (; headers != NULL && *headers != NULL; headers++)
        add_header_line(response, *headers);
    return response;
}

void server_answer(struct server_request *request, int status, const char *content_type, const char *const *headers,
                   const void *body, size_t length)
{
    if (!server_request_gone(request))
        request_respond(request, (unsigned)status, new_response(content_type, headers, body, length));
}

void server_answer_json(struct server_request *request, int status, const json_t *body)
{
    g_autofree char *text = json_text(body);
    server_answer(request, status, "application/json", NULL, text, strlen(text));
}

void server_answer_problem(struct server_request *request, int status, const char *code, const char *detail,
                           const char *const *headers)
{
    g_autoptr(json_t) problem = json_pack("{s:s, s:s, s:i, s:o, s:s, s:[]}", "type", "about:blank", "title",
                                          errors_text(errors_from_code(code)), "status", status, "detail",
                                          json_text_value(detail, strlen(detail)), "code", code, "errors");
    g_autofree char *text = json_text(problem);
    server_answer(request, status, "application/problem+json", headers, text, strlen(text));
}

void server_answer_error(struct server_request *request, const GError *error, const char *const *headers)
{
    int code = errors_of(error);
    server_answer_problem(request, errors_http_status(code), errors_code(code), error->message, headers);
}

/* --- what a handler asks
 * -------------------------------------------------------------------------------------------------- */

const char *server_method(const struct server_request *request)
{
    return request->method;
}

const char *server_path(const struct server_request *request)
{
    return request->path;
}

const char *server_raw_path(const struct server_request *request)
{
    return request->raw_path;
}

const char *server_header(const struct server_request *request, const char *name)
{
    return request->connection != NULL ? MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name) : NULL;
}

const char *server_query(const struct server_request *request, const char *name)
{
    return request->connection != NULL ? MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name)
                                       : NULL;
}

static enum MHD_Result add_query(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    json_t *query = arg;
    /* Names that are not UTF-8 cannot be parameters of ours. The first of several counts, as in server_query(). */
    if (g_utf8_validate(name, -1, NULL) && json_object_get(query, name) == NULL)
        json_object_set_new(query, name,
                            json_text_value(value != NULL ? value : "", value != NULL ? strlen(value) : 0));
    return MHD_YES;
}

json_t *server_query_json(const struct server_request *request)
{
    json_t *query = json_object();
    if (request->connection != NULL)
        MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, add_query, query);
    return query;
}

const char *server_body(const struct server_request *request, size_t *ret_length)
{
    *ret_length = request->body_length;
    return request->body != NULL ? request->body : "";
}

const char *server_peer(const struct server_request *request)
{
    struct server_request *writable = (struct server_request *)(uintptr_t)request;
    if (request->peer != NULL || request->connection == NULL)
        return request->peer != NULL ? request->peer : "gone";
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[NI_MAXHOST];
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
    socklen_t length =
        address != NULL && address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (address == NULL || (address->sa_family != AF_INET && address->sa_family != AF_INET6) ||
        getnameinfo(address, length, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
        g_strlcpy(host, "unix", sizeof host);
    writable->peer = g_strdup(host);
    return writable->peer;
}

struct server_request *server_request_ref(struct server_request *request)
{
    request->references++;
    return request;
}

void server_request_unref(struct server_request *request)
{
    if (request == NULL || --request->references > 0)
        return;
    g_free(request->peer);
    g_free(request);
}

bool server_request_gone(const struct server_request *request)
{
    return request->connection == NULL;
}
