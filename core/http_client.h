/* http_client: the only adapter of libcurl. Outbound HTTP on the loop: one multi handle, connections reused.
 *
 * TLS is verified; redirects are not followed; only http and https (and http over a Unix socket). */
#ifndef CORE_HTTP_CLIENT_H
#define CORE_HTTP_CLIENT_H

#include "core/loop.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define HTTP_NO_TIMEOUT (-1)

struct http_client;
struct http_client *http_client_new(struct loop *loop);
void http_client_free(struct http_client *client); /* cancels what is under way; not from within a done callback */

struct http_request {
    const char *method; /* "GET" */
    const char *url;
    const char *unix_socket;    /* path, or NULL */
    const char *const *headers; /* "Name: value", NULL-terminated, or NULL */
    const void *body;           /* copied */
    size_t body_length;
    int64_t timeout_ms; /* whole exchange; 0 = 30 s; HTTP_NO_TIMEOUT = as long as something comes once a minute */
    size_t max_body;    /* of the answer; more is ERROR_TOO_LARGE; 0 = 8 MiB */
    /* Asked before each connection, whatever the name was resolved to: may it be made? ERROR_NOT_ALLOWED else. `arg`
     * lives until done. NULL: any. With a proxy (HTTPS_PROXY of the environment) the address is the proxy's. */
    bool (*may_connect)(void *arg, const struct sockaddr *address);
    void *may_connect_arg;
};

struct http_response {
    int status;
    const char *body; /* NUL-terminated */
    size_t body_length;
    GHashTable *headers; /* lower-case name → value, last one wins */
};

/* Starts a request. done comes exactly once, later, on the loop: response is NULL with error set (ERROR_UNAVAILABLE for
 * refused/DNS/TLS, ERROR_TIMEOUT, ERROR_TOO_LARGE, ERROR_INVALID for a URL that is none of ours), else borrowed until
 * done returns. Any HTTP status is a response. Messages name the server, never the URL's user, path or query. */
typedef void (*http_done_fn)(void *arg, const struct http_response *response, const GError *error);
struct http_call;
struct http_call *http_client_send(struct http_client *client, const struct http_request *request, http_done_fn done,
                                   void *arg);
void http_call_cancel(struct http_call *call); /* done will not come; NULL accepted */

/* Blocking variant with the same rules, for the command line. on_data (may be NULL) receives body bytes of a 2xx answer
 * as they arrive (server-sent events) instead of ret->body, and returns false to stop, which is no error. Fills *ret
 * (free with http_response_clear), on success only. */
bool http_client_send_sync(const struct http_request *request,
                           bool (*on_data)(void *arg, const char *bytes, size_t length), void *arg,
                           struct http_response *ret, GError **error);
void http_response_clear(struct http_response *response);

/* The host of an http or https URL, without brackets, port and a dot at its end, in small letters; NULL when there is
 * none. g_free. */
char *http_url_host(const char *url);

#endif
