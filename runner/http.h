/* http: one HTTP request of a step, as an op. */
#ifndef RUNNER_HTTP_H
#define RUNNER_HTTP_H

#include "core/http_client.h"
#include "core/json.h"
#include "core/op.h"

/* Request and result as world.h has them. Errors name the server, never the URL's user, path or query. */
struct reach; /* runner/reach.h: outlives the op */
void http_send(struct loop *loop, struct http_client *client, const struct reach *reach, const json_t *request,
               struct op *op);
/* "GET https://api.example.com/v1/x": without user, query and fragment, which may hold secrets. g_free. */
char *http_shown(const json_t *request);

#endif
