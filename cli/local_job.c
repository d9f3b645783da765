/* local_job: see local_job.h. */
#include "cli/local_job.h"
#include "jobs/job.h"

static json_t *or_null(json_t *value)
{
    return value != NULL ? json_incref(value) : json_null();
}

json_t *local_job_new(const struct local_start *start, GError **error)
{
    g_autoptr(json_t) context =
        json_pack("{s:o, s:o}", "incident", or_null(start->incident), "alert", or_null(start->alert));
    g_autoptr(json_t) params =
        runbook_bind_params(start->runbook, start->params, context, start->set->inventory, NULL, error);
    if (params == NULL)
        return NULL;
    g_autoptr(json_t) run =
        json_pack("{s:s, s:i, s:i, s:O, s:O, s:O, s:{}, s:{s:s, s:n}, s:{s:s, s:s}, s:{}}", "id", start->id, "attempt",
                  1, "elapsed_ms", 0, "params", params, "incident", json_object_get(context, "incident"), "alert",
                  json_object_get(context, "alert"), "data", "trigger", "kind", "manual", "id", "requested_by", "kind",
                  "user", "name", start->by, "steps");
    /* trust is the server's; whoever sits here has these keys anyway. */
    const struct job_rules rules = {.secrets = start->secrets};
    return job_build(start->runbook, start->set, run, &rules, error);
}
