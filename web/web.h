/* web: the control plane over HTTP: /hooks, /api/v1, /healthz /readyz /metrics on `listen`; /runner/v1 on
 * DATA/runner.sock.
 *
 * Credentials are bearer tokens only, never cookies: a page of another origin has nothing to ride on. GET and HEAD
 * never change state. A route is one line of a table in web/api/; routing, docs/api.md, OpenAPI and tests follow the
 * tables. */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include "jobs/jobs.h"
#include "web/server.h"

struct web;
struct web_call;

/* Answers that are not JSON of a jobs_fn: streams, metrics, webhooks. Answers call's request, now or later. */
typedef void (*web_raw_fn)(struct web_call *call);

/* One route. `path` may hold {name} (one segment) and {name...} (several: ids of runbooks hold slashes); the request
 * object gets path and query parameters as strings and the JSON body under "body". */
struct web_route {
    const char *method, *path;
    enum role role; /* ROLE_NONE = no credentials needed; ROLE_RUNNER = on the Unix socket only */
    int success;    /* status when the function answers without error (204 when its result is NULL) */
    jobs_fn fn;     /* this, or */
    web_raw_fn raw;
    web_raw_fn
        admit; /* of a raw route: whether a body may come: server_admit() or an answer; NULL = as for the others */
    const char *query; /* names of query parameters, separated by spaces; others are refused; NULL = none */
    const char *body;  /* keys of the JSON body for the docs, required ones with '!'; NULL = no body is read */
    bool once;         /* takes an Idempotency-Key: the same key does it once */
    const char *help;
};
extern const struct web_route
    *const web_routes[]; /* tables of web/api/, each ending with method == NULL; ends with NULL */

/* Serves HTTP on config `listen` and the runner protocol on DATA/runner.sock. ERROR_INVALID, ERROR_IO. */
struct web *web_new(struct jobs *jobs, GError **error);
char *web_address(const struct web *web); /* with the real port; g_free */
void web_drain(struct web *web);          /* accepts no more connections from outside; the runner's socket stays */
void web_free(struct web *web);           /* ends every exchange; call it before jobs_free() */

#endif
