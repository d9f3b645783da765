/* approval: a waiting step's question and people's decisions, through one compare-and-set.
 *
 * The digest v1:sha256:… covers commit, step text, params, hosts, data, shown values, inputs and the policy's
 * definition. A decision carries the digest its maker saw; any difference voids the request and asks anew. Expiry
 * denies. */
#ifndef JOBS_APPROVAL_H
#define JOBS_APPROVAL_H

#include "jobs/jobs.h"

struct approval_service *approval_service_new(struct jobs *jobs,
                                              GError **error); /* arms expiry timers from the store */
void approval_service_free(struct approval_service *service);

/* After a commit that made a request or decided one: the expiry timer follows. Loop thread. */
void approval_kick(struct jobs *jobs);

void approval_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void approval_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* body {"verdict":"approve|deny","digest","reason","inputs":{NAME:VALUE}} */
void approval_decide(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif
