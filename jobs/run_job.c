/* run_job: rows to job. */
#include "jobs/run_job.h"
#include "core/clock.h"
#include "core/errors.h"
#include "jobs/hosts_exec.h"
#include "jobs/job.h"
#include "jobs/outbox.h"
#include "jobs/view.h"

bool run_job_load(struct store_tx *tx, const char *run, json_t **ret, GError **error)
{
    g_autoptr(json_t) row = NULL, plan = NULL, steps = NULL, approvals = NULL, decisions = NULL;
    if (!store_get(tx, SQL_RUN_FULL, &row, error, "s", run) || !store_get(tx, SQL_RUN_PLAN, &plan, error, "s", run) ||
        !store_list(tx, SQL_STEPS_OF_RUN, &steps, error, "s", run) ||
        !store_list(tx, SQL_APPROVALS_OF_RUN, &approvals, error, "s", run) ||
        !store_list(tx, SQL_DECISIONS_OF_RUN, &decisions, error, "s", run))
        return false;
    *ret = json_pack("{s:O, s:O, s:O, s:O, s:O}", "run", row, "plan", json_object_get(plan, "body_json"), "steps",
                     steps, "approvals", approvals, "decisions", decisions);
    return true;
}

static json_t *decisions_of(const json_t *decisions, const char *approval)
{
    json_t *list = json_array();
    size_t index;
    json_t *row;
    json_array_foreach (decisions, index, row)
        if (g_strcmp0(json_get_string(row, "approval", NULL), approval) == 0)
            json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "by", view_value(row, "by_name"), "via",
                                                  view_value(row, "via"), "at", view_time(row, "at"), "verdict",
                                                  view_value(row, "verdict"), "reason", view_value(row, "reason")));
    return list;
}

/* The step's approval as granted, hosts included; null when it has none that counts. */
static json_t *approval_of(const json_t *found, const char *id)
{
    size_t index;
    json_t *row;
    json_array_foreach (json_object_get(found, "approvals"), index, row) {
        if (!id || g_strcmp0(json_get_string(row, "id", NULL), id) != 0 ||
            g_strcmp0(json_get_string(row, "state", NULL), "approved") != 0)
            continue;
        json_t *inputs = json_object_get(row, "inputs_json");
        return json_pack("{s:s, s:s, s:o, s:o, s:o}", "id", id, "state", "approved", "inputs",
                         json_is_object(inputs) ? json_incref(inputs) : json_object(), "hosts",
                         view_value(row, "hosts_json"), "decisions",
                         decisions_of(json_object_get(found, "decisions"), id));
    }
    return json_null();
}

static json_t *steps_of(const json_t *found)
{
    json_t *steps = json_object();
    size_t index;
    json_t *row;
    json_array_foreach (json_object_get(found, "steps"), index, row)
        json_object_set_new(steps, json_get_string(row, "id", ""),
                            json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "state", view_value(row, "state"),
                                      "result", view_value(row, "result"), "attempt", view_value(row, "attempts"),
                                      "waited", json_get_bool(row, "waited_bool", false), "approval",
                                      approval_of(found, json_get_string(row, "approval", NULL)), "output",
                                      view_value(row, "output_json"), "error", view_value(row, "error_json")));
    return steps;
}

json_t *run_job_make(struct jobs *jobs, const struct catalog_set *set, const json_t *found, GError **error)
{
    const json_t *row = json_object_get(found, "run"), *plan = json_object_get(found, "plan");
    if (!json_is_object(plan)) {
        errors_set(error, ERROR_INTERNAL, "the plan of the run '%s' is missing", json_get_string(row, "id", "?"));
        return NULL;
    }
    if (hosts_exec_made(row) && !hosts_exec_enabled(jobs, error))
        return NULL;
    g_autofree char *url =
        g_strdup_printf("%s/runs/%s", jobs->base_url ? jobs->base_url : "", json_get_string(row, "id", ""));
    g_autoptr(json_t) run =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:{s:o, s:o}, s:o, s:s}", "id",
                  view_value(row, "id"), "attempt", view_value(row, "attempt"), "elapsed_ms",
                  view_value(row, "elapsed_ms"), "params", view_value(row, "params_json"), "incident",
                  view_value(row, "incident_json"), "alert", view_value(row, "alert_json"), "data",
                  view_value(row, "data_json"), "trigger", "kind", view_value(row, "trigger_kind"), "id",
                  view_value(row, "trigger_id"), "requested_by", "kind", view_value(row, "requested_kind"), "name",
                  view_value(row, "requested_name"), "steps", steps_of(found), "url", url);
    struct job_rules rules = {0};
    if (jobs->config) {
        rules.trust = config_tree(jobs->config, "trust");
        rules.secrets = config_tree(jobs->config, "secrets");
    }
    json_t *job = job_from_plan(plan, set ? set->inventory : NULL, run, &rules, error);
    if (job)
        json_object_set_new(job, "channels", outbox_channels(jobs, json_path_string(row, "incident_json.source")));
    return job;
}
