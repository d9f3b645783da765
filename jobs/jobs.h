/* jobs: the control plane put together: configuration, store, catalog, and the services that live on the loop.
 *
 * Everything the API, the runner protocol and the command line can ask is a `jobs_fn`: it takes a JSON request and an
 * actor, and answers later through op_done_fn with JSON or an error whose code decides the HTTP status. web/ only maps
 * routes to these functions, so an API route is one line. */
#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include "core/config.h"
#include "core/http_client.h"
#include "core/json.h"
#include "core/loop.h"
#include "core/op.h"
#include "jobs/store/store.h"

struct catalog;
struct feed;

/* Roles in rising order; each includes the ones before it. ROLE_RUNNER stands apart (the runner protocol only). */
enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_APPROVER, ROLE_ADMIN, ROLE_RUNNER };

/* Who asks. Borrowed strings. */
struct actor {
    const char *kind; /* "token", "local", "source", "schedule", "system" */
    const char *name; /* token's name; what the timeline and decisions show */
    enum role role;
    const char *via; /* "api", "cli", "terminal" … */
};

struct jobs {
    struct loop *loop;
    struct config *config;
    struct store *store;
    struct catalog *catalog;
    struct http_client *http;
    struct feed *feed;
    char *data_folder;
    char *base_url; /* how people reach this server; no trailing slash */
    struct delivery_service *deliveries;
    struct run_service *runs;
    struct approval_service *approvals;
    struct schedule_service *schedules;
    struct outbox_service *outbox;
    struct retention_service *retention;
    struct token_service *tokens;
    struct jobs_status *status;
    char *admin_token; /* set on the very first start only: serve prints it once and calls jobs_forget_admin_token() */
    bool draining;     /* SIGTERM seen: no new leases */
};

/* request: {"id": path parameter, …query parameters as strings…} merged with the body's keys under "body". Borrowed
 * during the call; take a reference to keep it. The actor is copied by functions that keep it. */
typedef void (*jobs_fn)(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

/* Builds and starts everything: opens the store (migrating), recovers what a crash left (leases, unknown steps),
 * loads the catalog from its mirror, starts timers. ERROR_CONFIG, ERROR_STORE, ERROR_GIT … */
struct jobs *jobs_new(struct loop *loop, struct config *config, GError **error);
/* Stops taking leases and deliveries; `drained` comes when nothing is under way in the control plane. */
void jobs_drain(struct jobs *jobs, void (*drained)(void *arg), void *arg);
void jobs_free(struct jobs *jobs);
/* When the real address is known (port 0), before the first request. A trailing slash is dropped. */
void jobs_set_base_url(struct jobs *jobs, const char *url);
void jobs_forget_admin_token(struct jobs *jobs); /* wipes it */
/* {"ready":bool,"checks":{"store":…,"catalog":…,"runner":…}} for /readyz; metrics for /metrics as {"name":number}. */
json_t *jobs_ready(struct jobs *jobs);
json_t *jobs_metrics(struct jobs *jobs);

#endif
