/* token: API tokens: random, shown once, stored as SHA-256. */
#ifndef JOBS_TOKEN_H
#define JOBS_TOKEN_H

#include "jobs/jobs.h"

const char *role_name(enum role role);
bool role_from_name(const char *name, enum role *ret_role);

/* First start: creates an admin token named "admin", writes it to DATA/admin-token (0600) and returns it so that serve
 * prints it once; NULL without error when tokens exist. Also keeps the local runner's token in DATA/runner-token. */
char *token_bootstrap(struct store *store, const char *data_folder, GError **error);
/* The new token's text (g_free). lifetime_ms from now, 0 = for ever. */
char *token_create(struct store *store, const char *name, enum role role, int64_t lifetime_ms, GError **error);

/* Looks a bearer token up in an in-memory table of hashes that follows the store. NULL when unknown, expired or
 * revoked. The actor's strings live until the next call on this thread. */
struct token_service;
struct token_service *token_service_new(struct jobs *jobs, GError **error);
void token_service_free(struct token_service *service);
/* Reads the table again (another process may have made a token), at most once a second; done comes on the loop. Before
 * a 401. */
void token_refresh(struct jobs *jobs, void (*done)(void *arg), void *arg);
const struct actor *token_actor(struct jobs *jobs, const char *bearer);
/* For what outlives its request: the text that a token is known by from now on (g_free), and the role that it has at
 * this moment: ROLE_NONE when it was revoked or has expired. A revocation by another process is seen after a few
 * seconds. */
char *token_hash(const char *bearer);
enum role token_role(struct jobs *jobs, const char *hash);
void token_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void token_create_request(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void token_revoke(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif
