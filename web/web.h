/* web: routes of the control plane: /hooks, /api/v1, /runner/v1 (Unix socket), /healthz /readyz /metrics. */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include "jobs/jobs.h"
#include "web/server.h"

/* One API route. `path` may hold {id}; the request object gets path and query parameters as strings and the JSON body
 * under "body". A check in the tests compares this table with docs/api.md and the OpenAPI page. */
struct web_route {
    const char *method, *path;
    enum role role; /* ROLE_NONE = no credentials needed */
    int success;    /* status when the function answers without error (204 when its result is NULL) */
    jobs_fn fn;
    const char *help;
};
extern const struct web_route
    *const web_routes[]; /* tables of the api folder, each ending with method == NULL; ends with NULL */

struct web;
/* Serves HTTP on config `listen` and the runner protocol on DATA/runner.sock. */
struct web *web_new(struct jobs *jobs, GError **error);
char *web_address(const struct web *web);
void web_drain(struct web *web);
void web_free(struct web *web);

#endif
