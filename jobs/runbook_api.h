/* runbook_api: the catalog in service as the API shows it: runbooks, documents, findings, repositories. */
#ifndef JOBS_RUNBOOK_API_H
#define JOBS_RUNBOOK_API_H

#include "jobs/jobs.h"

/* {"items":[{"id","title","owner","kind":"runbook|document","severity","repository","path","commit","covers","triggers"}],
 * "next"}; request: kind, owner, limit, after (an id). */
void runbook_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* runbook_to_json() of request.id: an id or an alias; ERROR_NOT_FOUND. */
void runbook_get(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* Findings in product shape, by file and line; request: level ("error": only these), limit, after (an index). */
void runbook_findings(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* {"items":[{"name","url","branch","commit","fetched_at","error"}],"next":null} */
void repository_list(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);
/* Fetches every repository now, as a push webhook does; answers before the fetch is done: {"items":[…],"next":null} as
 * above. */
void repository_fetch(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg);

#endif
