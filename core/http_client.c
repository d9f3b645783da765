/* http_client: see http_client.h. One easy handle an exchange; on the loop they share one multi handle, whose sockets
 * and timer are ours (multi_socket). The blocking variant runs the same exchange with curl_easy_perform(). */
#include "core/http_client.h"
#include "core/errors.h"
#include <curl/curl.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS (30 * 1000)
#define CONNECT_TIMEOUT_MS (10 * 1000)
#define MAX_HEADER_BYTES   ((size_t)256 * 1024) /* of an answer: curl bounds each line only */
#define SILENCE_S          60L
#define DEFAULT_MAX_BODY   ((size_t)8 * 1024 * 1024)

/* One request and what has come back so far. */
struct exchange {
    CURL *easy;
    struct curl_slist *request_headers;
    char *server; /* "https://example.com:8443": for messages */
    GString *body;
    GHashTable *headers;
    size_t max_body;
    size_t header_bytes;
    bool too_large, stopped, refused;
    bool (*may_connect)(void *arg, const struct sockaddr *address);
    void *may_connect_arg;
    bool (*on_data)(void *arg, const char *bytes, size_t length);
    void *on_data_arg;
    char reason[CURL_ERROR_SIZE];
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer;
    GHashTable *calls; /* set of struct http_call*, under way */
};

struct http_call {
    struct http_client *client;
    struct exchange exchange;
    GError *refused; /* a request that could not even start */
    struct loop_timer *refusal;
    http_done_fn done;
    void *arg;
};

/* --- one exchange
 * ------------------------------------------------------------------------------------------------------- */

static long status_of(const struct exchange *exchange)
{
    long status = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct exchange *exchange = arg;
    size_t length = size * count;
    if (exchange->on_data != NULL && status_of(exchange) / 100 == 2) {
        exchange->stopped = !exchange->on_data(exchange->on_data_arg, bytes, length);
        return exchange->stopped ? 0 : length;
    }
    if (exchange->body->len + length > exchange->max_body) {
        exchange->too_large = true;
        return 0;
    }
    g_string_append_len(exchange->body, bytes, (gssize)length);
    return length;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct exchange *exchange = arg;
    size_t length = size * count;
    const char *colon = memchr(line, ':', length);
    exchange->header_bytes += length;
    if (exchange->header_bytes > MAX_HEADER_BYTES) {
        exchange->too_large = true;
        return 0;
    }
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0)
        g_hash_table_remove_all(exchange->headers); /* the headers before were those of a 1xx */
    else if (colon != NULL) {
        char *name = g_ascii_strdown(line, colon - line);
        char *value = g_strndup(colon + 1, length - (size_t)(colon + 1 - line));
        g_hash_table_replace(exchange->headers, name, g_strstrip(value));
    }
    return length;
}

/* scheme://host[:port] of a URL, or NULL when it has none: user, path and query may hold secrets. */
static char *server_of(const char *url)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *server = NULL;
    if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        (void)curl_url_get(parsed, CURLUPART_PORT, &port, 0);
        server = g_strdup_printf("%s://%s%s%s", scheme, host, port != NULL ? ":" : "", port != NULL ? port : "");
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
    return server;
}

char *http_url_host(const char *url)
{
    CURLU *parsed = curl_url();
    char *host = NULL, *result = NULL;
    if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        size_t length = strlen(host);
        bool brackets = length > 2 && host[0] == '[' && host[length - 1] == ']';
        result = brackets ? g_ascii_strdown(host + 1, (gssize)length - 2) : g_ascii_strdown(host, -1);
        if (g_str_has_suffix(result, "."))
            result[strlen(result) - 1] = '\0';
    }
    curl_free(host);
    curl_url_cleanup(parsed);
    return result;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct exchange *exchange = arg;
    (void)purpose;
    if (!exchange->may_connect(exchange->may_connect_arg, &address->addr)) {
        exchange->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void exchange_clear(struct exchange *exchange)
{
    curl_easy_cleanup(exchange->easy);
    curl_slist_free_all(exchange->request_headers);
    g_free(exchange->server);
    if (exchange->body != NULL)
        g_string_free(exchange->body, TRUE);
    g_clear_pointer(&exchange->headers, g_hash_table_unref);
    memset(exchange, 0, sizeof *exchange);
}

static void set_method_and_body(struct exchange *exchange, const struct http_request *request)
{
    CURL *easy = exchange->easy;
    const char *method = request->method != NULL ? request->method : "GET";
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (request->body_length > 0 || strcmp(method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body_length > 0 ? request->body : "");
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_limits(struct exchange *exchange, const struct http_request *request)
{
    CURL *easy = exchange->easy;
    exchange->max_body = request->max_body > 0 ? request->max_body : DEFAULT_MAX_BODY;
    int64_t timeout_ms = request->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : request->timeout_ms;
    if (timeout_ms > 0) {
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    } else {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
    }
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    if (exchange->on_data == NULL)
        curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)exchange->max_body);
}

static void set_headers(struct exchange *exchange, const struct http_request *request)
{
    /* No "Expect: 100-continue": it costs a second with servers that do not know it. No form type by default. */
    static const char *const unwanted[] = {"Expect:", "Content-Type:"};
    for (size_t i = 0; i < G_N_ELEMENTS(unwanted); i++)
        exchange->request_headers = curl_slist_append(exchange->request_headers, unwanted[i]);
    for (const char *const *header = request->headers; header != NULL && *header != NULL; header++)
        exchange->request_headers = curl_slist_append(exchange->request_headers, *header);
    curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, exchange->request_headers);
}

/* A line break in a header (a secret read from a file, say) would be another header. */
static bool headers_are_lines(const struct http_request *request, GError **error)
{
    for (const char *const *header = request->headers; header != NULL && *header != NULL; header++) {
        if (strpbrk(*header, "\r\n") == NULL)
            continue;
        errors_set(error, ERROR_INVALID, "a request header holds a line break: '%.*s'", (int)strcspn(*header, ":"),
                   *header);
        return false;
    }
    return true;
}

static bool exchange_init(struct exchange *exchange, const struct http_request *request, GError **error)
{
    if (!headers_are_lines(request, error))
        return false;
    exchange->server = server_of(request->url);
    if (exchange->server == NULL ||
        (!g_str_has_prefix(exchange->server, "http://") && !g_str_has_prefix(exchange->server, "https://"))) {
        errors_set(error, ERROR_INVALID, "not an http or https URL: '%s'",
                   exchange->server != NULL ? exchange->server : "(unreadable)");
        return false;
    }
    CURL *easy = exchange->easy = curl_easy_init();
    exchange->body = g_string_new(NULL);
    exchange->headers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    if (request->unix_socket != NULL) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    if (request->may_connect != NULL) {
        exchange->may_connect = request->may_connect;
        exchange->may_connect_arg = request->may_connect_arg;
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, exchange);
    }
    set_method_and_body(exchange, request);
    set_headers(exchange, request);
    set_limits(exchange, request);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "hikeshi/" HIKESHI_VERSION);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A name lookup that hangs must not be waited for when its exchange ends first: curl would block the loop. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->reason);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    return true;
}

/* True when the exchange has an answer; else the error. */
static bool exchange_result(const struct exchange *exchange, CURLcode code, struct http_response *ret, GError **error)
{
    const char *reason = exchange->reason[0] != '\0' ? exchange->reason : curl_easy_strerror(code);
    if (code == CURLE_OK || exchange->stopped) {
        *ret = (struct http_response){.status = (int)status_of(exchange),
                                      .body = exchange->body->str,
                                      .body_length = exchange->body->len,
                                      .headers = exchange->headers};
        return true;
    }
    if (exchange->refused && code != CURLE_OPERATION_TIMEDOUT)
        errors_set(error, ERROR_NOT_ALLOWED, "'%s' has no address that may be connected to", exchange->server);
    else if (exchange->too_large || code == CURLE_FILESIZE_EXCEEDED)
        errors_set(error, ERROR_TOO_LARGE, "the answer of '%s' is larger than %zu bytes", exchange->server,
                   exchange->max_body);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        errors_set(error, ERROR_TIMEOUT, "'%s' did not answer in time", exchange->server);
    else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        errors_set(error, ERROR_INVALID, "cannot use the URL of '%s': %s", exchange->server, reason);
    else
        errors_set(error, ERROR_UNAVAILABLE, "cannot reach '%s': %s", exchange->server, reason);
    return false;
}

/* --- on the loop
 * ---------------------------------------------------------------------------------------------------------- */

/* One socket of curl's on our loop. */
struct watch {
    struct http_client *client;
    curl_socket_t fd;
    struct loop_poll *poll;
};

static void call_free(struct http_call *call)
{
    loop_timer_free(call->refusal);
    g_clear_error(&call->refused);
    exchange_clear(&call->exchange);
    g_free(call);
}

/* The callback may start and cancel other calls: nothing of the client is kept across it. */
static void finish(struct http_call *call, CURLcode code)
{
    struct http_client *client = call->client;
    curl_multi_remove_handle(client->multi, call->exchange.easy);
    g_hash_table_remove(client->calls, call);
    struct http_response response = {0};
    g_autoptr(GError) error = NULL;
    bool answered = exchange_result(&call->exchange, code, &response, &error);
    call->done(call->arg, answered ? &response : NULL, error);
    call_free(call);
}

static void collect(struct http_client *client)
{
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left)) != NULL;) {
        struct http_call *call = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        finish(call, message->data.result);
    }
}

static void on_socket_ready(void *arg, int events)
{
    struct watch *watch = arg;
    struct http_client *client = watch->client;
    int running = 0;
    int what = (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(client->multi, watch->fd, what, &running); /* may free the watch */
    collect(client);
}

static void on_deadline(void *arg)
{
    struct http_client *client = arg;
    int running = 0;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(client);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    struct http_client *client = arg;
    struct watch *watch = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(client->multi, fd, NULL);
        if (watch != NULL)
            loop_poll_free(watch->poll);
        g_free(watch);
        return 0;
    }
    if (watch == NULL) {
        watch = g_new0(struct watch, 1);
        watch->client = client;
        watch->fd = fd;
        watch->poll = loop_poll_new(client->loop, fd, on_socket_ready, watch);
        curl_multi_assign(client->multi, fd, watch);
    }
    loop_poll_set(watch->poll, (what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0));
    return 0;
}

static int set_deadline(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct http_client *client = arg;
    if (timeout_ms < 0)
        loop_timer_stop(client->timer);
    else
        loop_timer_start(client->timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void curl_once(void)
{
    static gsize done = 0;
    if (g_once_init_enter(&done)) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        g_once_init_leave(&done, 1);
    }
}

struct http_client *http_client_new(struct loop *loop)
{
    curl_once();
    struct http_client *client = g_new0(struct http_client, 1);
    client->loop = loop;
    client->timer = loop_timer_new(loop, on_deadline, client);
    client->calls = g_hash_table_new(NULL, NULL);
    client->multi = curl_multi_init();
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_deadline);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    g_autoptr(GList) calls = g_hash_table_get_keys(client->calls);
    for (GList *link = calls; link != NULL; link = link->next)
        http_call_cancel(link->data);
    curl_multi_cleanup(client->multi);
    g_hash_table_unref(client->calls);
    loop_timer_free(client->timer);
    g_free(client);
}

static void on_refused(void *arg)
{
    struct http_call *call = arg;
    g_hash_table_remove(call->client->calls, call);
    call->done(call->arg, NULL, call->refused);
    call_free(call);
}

struct http_call *http_client_send(struct http_client *client, const struct http_request *request, http_done_fn done,
                                   void *arg)
{
    struct http_call *call = g_new0(struct http_call, 1);
    call->client = client;
    call->done = done;
    call->arg = arg;
    g_hash_table_add(client->calls, call);
    if (!exchange_init(&call->exchange, request, &call->refused)) {
        call->refusal = loop_timer_new(client->loop, on_refused, call);
        loop_timer_start(call->refusal, 0, 0);
        return call;
    }
    curl_easy_setopt(call->exchange.easy, CURLOPT_PRIVATE, call);
    curl_multi_add_handle(client->multi, call->exchange.easy);
    return call;
}

void http_call_cancel(struct http_call *call)
{
    if (call == NULL)
        return;
    g_hash_table_remove(call->client->calls, call);
    if (call->exchange.easy != NULL)
        curl_multi_remove_handle(call->client->multi, call->exchange.easy);
    call_free(call);
}

/* --- blocking
 * --------------------------------------------------------------------------------------------------------------- */

bool http_client_send_sync(const struct http_request *request,
                           bool (*on_data)(void *arg, const char *bytes, size_t length), void *arg,
                           struct http_response *ret, GError **error)
{
    curl_once();
    struct exchange exchange = {.on_data = on_data, .on_data_arg = arg};
    struct http_response response = {0};
    bool answered = exchange_init(&exchange, request, error) &&
                    exchange_result(&exchange, curl_easy_perform(exchange.easy), &response, error);
    if (answered) {
        *ret = response;
        ret->body = g_string_free(g_steal_pointer(&exchange.body), FALSE);
        ret->headers = g_steal_pointer(&exchange.headers);
    }
    exchange_clear(&exchange);
    return answered;
}

void http_response_clear(struct http_response *response)
{
    g_free((char *)(uintptr_t)response->body);
    g_clear_pointer(&response->headers, g_hash_table_unref);
    *response = (struct http_response){0};
}
