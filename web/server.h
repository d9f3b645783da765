/* server: the only adapter of libmicrohttpd: HTTP on the loop through its epoll descriptor; suspended answers; streams.
 *
 * Refuses what libmicrohttpd accepts: Content-Length with Transfer-Encoding, two Content-Lengths, malformed header names, bodies
 * over the route's limit (413). Bodies are read whole before the handler runs. */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include "core/json.h"
#include "core/loop.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct server;
struct server_request; /* one exchange: alive from the handler's call until its answer is sent or its client is gone */

/* The answer may be given at once or later; exactly one server_answer/server_stream a request. When the client goes away
 * first, answering is a no-op: requests are reference counted, so hold one (server_request_ref) for later answers. */
typedef void (*server_handler_fn)(void *arg, struct server_request *request);

struct server_options {
    const char *listen;      /* "127.0.0.1:8460", "[::1]:0", or NULL */
    const char *unix_socket; /* path (mode 0600), or NULL */
    size_t max_body;
    server_handler_fn handler;
    void *arg;
};
struct server *server_new(struct loop *loop, const struct server_options *options, GError **error);
char *server_address(const struct server *server); /* "127.0.0.1:43121" with the real port; g_free */
void server_quiesce(struct server *server);        /* accepts no more connections */
void server_free(struct server *server);           /* ends every exchange */

const char *server_method(const struct server_request *request);
const char *server_path(const struct server_request *request); /* decoded, always begins with / */
const char *server_header(const struct server_request *request, const char *name); /* any case */
const char *server_query(const struct server_request *request, const char *name);
json_t *server_query_json(const struct server_request *request); /* all query parameters as strings; new reference */
const char *server_body(const struct server_request *request, size_t *ret_length); /* NUL-terminated */
const char *server_peer(const struct server_request *request);

struct server_request *server_request_ref(struct server_request *request);
void server_request_unref(struct server_request *request);

/* headers: "Name: value", NULL-terminated, or NULL. body is copied. */
void server_answer(struct server_request *request, int status, const char *content_type, const char *const *headers, const void *body,
                   size_t length);
void server_answer_json(struct server_request *request, int status, const json_t *body);
/* problem+json from an error: status from the code's table. */
void server_answer_error(struct server_request *request, const GError *error);

/* A server-sent-event stream. closed(arg) comes once when the client is gone or lagged (its ring of 256 KiB is full: it gets a
 * "lagged" event last). */
struct server_stream;
struct server_stream *server_stream_new(struct server_request *request, void (*closed)(void *arg), void *arg);
void server_stream_event(struct server_stream *stream, const char *event, const char *id, const char *data); /* data: one line of JSON */
void server_stream_end(struct server_stream *stream); /* flush, then close; closed() does not come */

#endif
