/* host_api: the inventory in service as the API shows it. Reads only; never shows which key reaches a host. */
#ifndef JOBS_HOST_API_H
#define JOBS_HOST_API_H

#include "jobs/jobs.h"

/* {"items":[host],"next"}: the wire's hosts without "identity"; request: filter (core/hostfilter.h), limit, after (a
 * name). */
void host_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* request.id: a name, alias or address; ERROR_NOT_FOUND. */
void host_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif
