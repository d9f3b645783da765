/* catalog_api: the catalog in service over the API. What the answers hold is in catalog_view.h. */
#ifndef JOBS_CATALOG_API_H
#define JOBS_CATALOG_API_H

#include "jobs/jobs.h"

void runbook_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void runbook_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void catalog_findings(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void host_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
void host_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* {"items":[{"name","url","branch","commit","fetched_at","error"}],"next":null} */
void repository_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* Fetches every repository now, as a push webhook does; answers before the fetch is done, as repository_list(). */
void repository_fetch(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif
