/* call: one request on its way through a route: found, authenticated, asked of jobs/, answered. */
#ifndef WEB_CALL_H
#define WEB_CALL_H

#include "web/route.h"

struct web {
    struct jobs *jobs;
    struct server *server; /* config `listen` */
    struct server *local;  /* DATA/runner.sock */
    struct log_readers *log_readers;
    struct server_budget api_bodies, open_bodies; /* of requests with a good token; of routes that need none */
    GHashTable *source_bodies;                    /* "pd", "git/ops" → struct server_budget*, owned */
};

struct web_call {
    struct web *web;
    struct server_request *request;
    const struct web_route *route;
    struct route_params params;
    const struct actor *actor; /* valid while the route's function is called; NULL for ROLE_NONE */
    bool refreshed;            /* the token table was read again for this call */
    web_raw_fn next;           /* what follows when route and credentials are fine */
};

/* The handlers of the two servers, and what they say to bodies: both look at route and credentials first; arg is
 * struct web. */
void web_call_public(void *arg, struct server_request *request);
void web_call_runner(void *arg, struct server_request *request);
void web_admit_public(void *arg, struct server_request *request);
void web_admit_runner(void *arg, struct server_request *request);

/* The request object of the jobs_fn: path, query, body, idempotency_key; or NULL with the error. New reference. */
json_t *web_call_request(const struct web_call *call, GError **error);
/* The bearer token that the request came with, or NULL. Borrowed. */
const char *web_call_bearer(const struct web_call *call);
/* Asks the route's jobs_fn and answers with what it says. */
void web_call_ask(struct web_call *call);
/* Answers with what a jobs_fn said: `success` with its result, 204 without one, or the error. */
void web_call_answer(struct server_request *request, int success, json_t *result, const GError *error);
/* Answers with an error's problem+json; a failure of ours is logged, once, here. */
void web_call_fail(struct server_request *request, const GError *error);

#endif
