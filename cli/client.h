/* client: asks a hikeshi server over its API, for the commands that need one. Blocking.
 *
 * Server: --server, else HIKESHI_SERVER, else http://127.0.0.1:8460. Token: --token-file, else HIKESHI_TOKEN, else
 * ./data/admin-token when it exists. Errors are the server's own (problem+json "code" and "detail"), so that cli_fail()
 * gives the right exit status; ERROR_UNAVAILABLE (exit 3) when it cannot be reached. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "cli/cli.h"
#include "core/json.h"

struct client;
struct client *client_new(const struct cli_call *call, GError **error);
void client_free(struct client *client);
const char *client_url(const struct client *client); /* the server's, no slash at its end */

/* `path` is below /api/v1 and already escaped: "/runs?state=failed". The answer's JSON (new reference); JSON null for
 * an empty answer. Not found errors of the server keep its message. */
json_t *client_get(struct client *client, const char *path, GError **error);
/* The answer's bytes as they are. */
GBytes *client_get_bytes(struct client *client, const char *path, GError **error);
/* body may be NULL. A POST carries an Idempotency-Key of its own, so that a person's repeated key press is two requests
 * but a retried connection is one. */
json_t *client_post(struct client *client, const char *path, const json_t *body, GError **error);
json_t *client_delete(struct client *client, const char *path, GError **error);

/* The first `max` items of a list, following "next" as long as needed; 0 for lists that have no pages. `path` may have
 * a query. The list's own shape,
 * {"items":[…],"next":…}; new reference. */
json_t *client_list(struct client *client, const char *path, size_t max, GError **error);

/* Reads a server-sent-event stream until fn returns false (true is returned), reconnecting with Last-Event-ID when the
 * connection ends early. Gives up when the server cannot be reached CLIENT_STREAM_ATTEMPTS times in a row. */
#define CLIENT_STREAM_ATTEMPTS 10
typedef bool (*client_event_fn)(void *arg, const char *event, const json_t *data);
bool client_stream(struct client *client, const char *path, client_event_fn fn, void *arg, GError **error);

/* "/runs/" + the id escaped + suffix. g_free. */
char *client_path(const char *prefix, const char *id, const char *suffix);

/* What most commands are (listing.c); each prints and returns the exit status. filters: option names that are query
 * parameters too, NULL-terminated; NULL when the list has no pages. headers and paths: as for print_items(). The option
 * "count" (CLI_OPTION_COUNT) bounds the list. */
int client_print_list(struct cli_call *call, const char *path, const char *const *filters, const char *const *headers,
                      const char *const *paths, const char *empty);
/* GETs prefix + the first argument; `print` shows it to people. */
int client_print_one(struct cli_call *call, const char *prefix, void (*print)(const json_t *value));
int client_usage(const struct cli_call *call, const char *message); /* a usage error */

typedef struct client client_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(client_t, client_free)

#endif
