/* local_job: the job of a run that no server started: `hikeshi run`, and each case of `hikeshi test`. */
#ifndef CLI_LOCAL_JOB_H
#define CLI_LOCAL_JOB_H

#include "core/yaml.h"
#include "jobs/catalog.h"

struct local_start {
    const struct runbook *runbook;
    const struct catalog_set *set;
    const json_t *params;            /* as given */
    json_t *alert, *incident;        /* NULL or JSON null: none */
    const char *id, *by;             /* of the run; who started it */
    const struct yaml_node *secrets; /* {NAME: reference}, or NULL */
};

/* ERROR_INVALID when the params do not fit. New reference. */
json_t *local_job_new(const struct local_start *start, GError **error);

#endif
