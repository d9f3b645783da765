/* server: the only adapter of libmicrohttpd: HTTP on the loop through its epoll descriptor; suspended answers; streams.
 *
 * Refuses what libmicrohttpd accepts: Content-Length with Transfer-Encoding, two Content-Lengths or Hosts, malformed
 * header names, NUL in a path (400), bodies over the limit (413), more buffered bodies than memory is meant for (503).
 * Closes connections that are too many from one address, or too slow. Bodies are read whole before the handler runs,
 * and nothing of them is kept before their owner admits them. Everything happens on the loop's thread. */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include "core/json.h"
#include "core/loop.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct server;
struct server_request; /* one exchange: alive from the handler's call until its answer is sent or its client is gone */

/* The answer may be given at once or later; exactly one server_answer/server_stream a request. When the client goes
 * away first, answering is a no-op: requests are reference counted, so hold one (server_request_ref) for later answers.
 */
typedef void (*server_handler_fn)(void *arg, struct server_request *request);

/* What all bodies that were admitted to it may take at the same time. Its owner's; outlives the server. */
struct server_budget {
    size_t most, used; /* bytes */
};

struct server_options {
    const char *listen;      /* "127.0.0.1:8460", "[::1]:0"; or NULL and */
    const char *unix_socket; /* a path (created mode 0600, removed by server_free) */
    size_t max_body;         /* of a request's body, where admit is NULL */
    /* Optional: asked when the headers of a request with a body are in, and nothing of the body was read: calls
     * server_admit(), or answers (the handler is then not called); now or later, as the handler. */
    server_handler_fn admit;
    server_handler_fn handler;
    void *arg;
    uint64_t request_timeout_ms; /* from a request's first line to the end of its body; 0 = none. Then it is closed */
    unsigned connections_per_address; /* more are closed at once; the /64 of an IPv6 address is one; 0 = any number */
    const char *const *unlimited;     /* addresses and networks that are not counted, NULL-terminated; NULL = none */
};
/* The body may come: at most max_body bytes (else 413), as long as the budget lasts (else 503; NULL = the server's own
 * ceiling alone). */
void server_admit(struct server_request *request, size_t max_body, struct server_budget *budget);
/* ERROR_INVALID for an address that cannot be read, ERROR_IO when it cannot be listened on. */
struct server *server_new(struct loop *loop, const struct server_options *options, GError **error);
char *server_address(
    const struct server *server);           /* "127.0.0.1:43121" with the real port, or the socket's path; g_free */
void server_quiesce(struct server *server); /* accepts no more connections */
void server_free(struct server *server);    /* ends every exchange */
/* Adds hikeshi_http_…: connections, bytes of bodies, connections refused, requests that came too slowly. */
void server_metrics(const struct server *server, json_t *metrics);

const char *server_method(const struct server_request *request);
const char *server_path(const struct server_request *request); /* decoded, always begins with / */
/* The path as it was sent, still percent-encoded, no query: what a router splits at '/'. */
const char *server_raw_path(const struct server_request *request);
/* NULL when absent, and for a request whose client is gone. Any case; the first of several. */
const char *server_header(const struct server_request *request, const char *name);
const char *server_query(const struct server_request *request, const char *name);
json_t *server_query_json(const struct server_request *request); /* all query parameters as strings; new reference */
const char *server_body(const struct server_request *request, size_t *ret_length); /* NUL-terminated */
const char *server_peer(const struct server_request *request);                     /* "192.0.2.1", or "unix" */

struct server_request *server_request_ref(struct server_request *request);
void server_request_unref(struct server_request *request);
/* True once the client is gone: nobody reads the answer. libmicrohttpd notices only while it reads or writes. */
bool server_request_gone(const struct server_request *request);

/* The process at the other end of a Unix socket, as it was when it connected, numbered as we see it; 0 = not known. */
pid_t server_peer_pid(const struct server_request *request);
/* hung_up(arg) comes at most once, from the loop, when the client closes its connection before the answer was given.
 * For answers that wait long: libmicrohttpd looks at no connection that waits. */
void server_request_on_hangup(struct server_request *request, void (*hung_up)(void *arg), void *arg);

/* headers: "Name: value", NULL-terminated, or NULL. body is copied. Every answer carries nosniff and no-store. */
void server_answer(struct server_request *request, int status, const char *content_type, const char *const *headers,
                   const void *body, size_t length);
void server_answer_json(struct server_request *request, int status, const json_t *body);
/* problem+json (RFC 9457) from an error: status from the code's table. headers as above. */
void server_answer_error(struct server_request *request, const GError *error, const char *const *headers);
/* The same with another status than the code's (a sender's contract). */
void server_answer_problem(struct server_request *request, int status, const char *code, const char *detail,
                           const char *const *headers);

/* A server-sent-event stream. closed(arg) comes once, from the loop, never from within server_stream_event(): when the
 * client is gone, lagged (its ring of 256 KiB was full: it gets a "lagged" event last), or the server ends. After it,
 * and after server_stream_end(), the stream must not be touched. NULL when LIMIT_SSE_CLIENTS streams are open or the
 * client is gone; the request has been answered then. A comment line goes out every 15 s, so that dead clients are
 * noticed. */
struct server_stream;
struct server_stream *server_stream_new(struct server_request *request, void (*closed)(void *arg), void *arg);
/* event and id may be NULL; data: one line of JSON. */
void server_stream_event(struct server_stream *stream, const char *event, const char *id, const char *data);
void server_stream_end(struct server_stream *stream); /* flush, then close; closed() does not come */
/* For replays: bytes that wait for the client, and a callback (with closed()'s arg) when all of them are on their way.
 * An event that is larger than the ring is taken when nothing else waits. */
size_t server_stream_queued(const struct server_stream *stream);
void server_stream_on_drained(struct server_stream *stream, void (*drained)(void *arg));

#endif
