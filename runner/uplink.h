/* uplink: the runner protocol's client (docs/design/wire.md): one JSON request, one JSON answer, over the server's Unix
 * socket. Knows paths and the token, not what the answers mean. */
#ifndef RUNNER_UPLINK_H
#define RUNNER_UPLINK_H

#include "core/http_client.h"
#include "core/json.h"
#include "core/loop.h"

struct uplink;

/* The token is copied, and wiped with the uplink. */
struct uplink *uplink_new(struct loop *loop, const char *socket_path, const char *token);
void uplink_free(struct uplink *uplink); /* cancels what is under way; not from within done */

/* done comes once, later: status 0 with error set when the server could not be asked (or its answer is no JSON), else
 * the HTTP status with the body (NULL when empty), borrowed. */
typedef void (*uplink_done_fn)(void *arg, int status, json_t *body, const GError *error);
struct uplink_call;
struct uplink_call *uplink_post(struct uplink *uplink, const char *path, const char *body, size_t length,
                                int64_t timeout_ms, uplink_done_fn done, void *arg);
void uplink_call_cancel(struct uplink_call *call); /* done will not come; NULL accepted */

#endif
