/* job: builds what a runner needs to execute a run: the wire's "job" object (docs/design/wire.md). Used by leases and
 * by `hikeshi run`, so that both execute the same thing. */
#ifndef JOBS_JOB_H
#define JOBS_JOB_H

#include "core/json.h"
#include "core/yaml.h"
#include "jobs/catalog.h"
#include "jobs/runbook.h"

/* What the server's configuration, never Git, allows to an owner. Both may be NULL: nothing is restricted, no secrets.
 */
struct job_rules {
    const struct yaml_node *trust;   /* {hosts: {OWNER: filter}, secrets: {NAME: [OWNER…]}} */
    const struct yaml_node *secrets; /* {NAME: reference} */
};

/* run: {"id","attempt","params","incident","alert","data","trigger","requested_by","steps":{ID:{state…}},"elapsed_ms"}
 * as the wire has it. The inventory is reduced to what the runbook's `hosts` filter (and the trust of its owner)
 * allows, plus the jump hosts on the way; others are listed by name under "refused_hosts". New reference. */
json_t *job_build(const struct runbook *runbook, const struct catalog_set *set, const json_t *run,
                  const struct job_rules *rules, GError **error);

/* Names of those of `hosts` that the server does not trust this owner with. New array. */
json_t *job_untrusted(const struct job_rules *rules, const char *owner, const json_t *hosts, GError **error);

/* The same in two halves: what is pinned when a run starts (steps, limits, types, modules), and the job made from it at
 * each lease with the inventory of that moment. */
json_t *job_plan(const struct runbook *runbook, const struct catalog_set *set);
json_t *job_from_plan(const json_t *plan, const json_t *inventory, const json_t *run, const struct job_rules *rules,
                      GError **error);

/* The hosts of these names, and the jump hosts on the way to them. New reference. */
json_t *job_hosts(const json_t *inventory, const json_t *names);

#endif
