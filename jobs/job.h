/* job: builds what a runner needs to execute a run: the wire's "job" object (docs/design/wire.md). Used by leases and by
 * `hikeshi run`, so that both execute the same thing. */
#ifndef JOBS_JOB_H
#define JOBS_JOB_H

#include "core/json.h"
#include "core/yaml.h"
#include "jobs/catalog.h"
#include "jobs/runbook.h"

/* run: {"id","attempt","params","incident","alert","data","trigger","requested_by","steps":{ID:{state…}},"elapsed_ms"} as the wire has it.
 * The inventory is reduced to what the runbook's `hosts` filter (and the trust of its owner, when trust is not NULL) allows, plus
 * the jump hosts on the way; others are listed by name under "refused_hosts". New reference. */
json_t *job_build(const struct runbook *runbook, const struct catalog_set *set, const json_t *run, const struct yaml_node *trust,
                  GError **error);

#endif
