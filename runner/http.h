/* http: one HTTP request of a step, as an op. */
#ifndef RUNNER_HTTP_H
#define RUNNER_HTTP_H

#include "core/http_client.h"
#include "core/json.h"
#include "core/op.h"
#include "runner/mask.h"

/* Request and result as world.h has them. Errors name the server, never the URL's user, path or query. */
struct reach; /* runner/reach.h: outlives the op */
void http_send(struct loop *loop, struct http_client *client, const struct reach *reach, const json_t *request,
               struct op *op);
/* "GET https://api.example.com/v1/x": masked while it is whole, since a secret may be the whole URL; then without user,
 * query and fragment. g_free. */
char *http_name(const struct mask *mask, const json_t *request);
/* "GET … was answered with status 404: not here": with the beginning of the answer, masked here, where a cut secret is
 * still known. New reference. */
json_t *http_problem(const struct mask *mask, const char *name, const json_t *result);

#endif
