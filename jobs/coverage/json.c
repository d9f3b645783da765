/* json: the stable JSON of a coverage. */
#include "jobs/coverage/coverage.h"

static json_t *by_json(const GArray *by)
{
    json_t *list = json_array();
    for (guint i = 0; i < by->len; i++) {
        const struct coverage_by *entry = &g_array_index(by, struct coverage_by, i);
        json_array_append_new(list, json_pack("{s:s, s:s}", "file", entry->file, "by", entry->by));
    }
    return list;
}

static json_t *workload_json(const struct workload *workload, const GArray *by)
{
    json_t *object = json_pack("{s:i, s:o}", "line", workload->line, "covered_by", by_json(by));
    json_set_string(object, "kind", workload->kind);
    json_set_string(object, "namespace", workload->namespace);
    json_set_string(object, "name", workload->name);
    json_set_string(object, "file", workload->file);
    json_set_string(object, "owner", workload->owner);
    json_set_string(object, "severity", workload->severity);
    return object;
}

static json_t *alert_json(const struct alert_rule *alert, const GArray *by)
{
    json_t *object = json_pack("{s:i, s:o}", "line", alert->line, "covered_by", by_json(by));
    json_set_string(object, "name", alert->name);
    json_set_string(object, "severity", alert->severity);
    json_set_string(object, "file", alert->file);
    json_set_string(object, "runbook_url", alert->runbook_url);
    return object;
}

static json_t *document_json(const struct document *document)
{
    json_t *covers = json_array();
    for (char **entry = document->covers; entry && *entry; entry++)
        json_array_append_new(covers, json_string(*entry));
    json_t *object = json_pack("{s:o, s:b}", "covers", covers, "orphan", document->orphan);
    json_set_string(object, "file", document->file);
    return object;
}

json_t *coverage_to_json(const struct coverage *coverage)
{
    const struct manifest_set *set = coverage->set;
    json_t *workloads = json_array(), *alerts = json_array(), *documents = json_array(), *skipped = json_array();
    for (guint i = 0; i < set->workloads->len; i++)
        json_array_append_new(workloads, workload_json(set->workloads->pdata[i], coverage->workload_by->pdata[i]));
    for (guint i = 0; i < set->alerts->len; i++)
        json_array_append_new(alerts, alert_json(set->alerts->pdata[i], coverage->alert_by->pdata[i]));
    for (guint i = 0; i < coverage->documents->len; i++)
        json_array_append_new(documents, document_json(coverage->documents->pdata[i]));
    for (guint i = 0; i < set->skipped->len; i++) {
        const struct skipped_file *file = set->skipped->pdata[i];
        json_t *object = json_object();
        json_set_string(object, "file", file->file);
        json_set_string(object, "reason", file->reason);
        json_array_append_new(skipped, object);
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:{s:i, s:i, s:i, s:i, s:f}}", "workloads", workloads, "alerts", alerts,
                     "documents", documents, "skipped", skipped, "summary", "workloads", (int)set->workloads->len,
                     "covered", (int)coverage->workloads_covered, "alerts", (int)set->alerts->len, "alerts_covered",
                     (int)coverage->alerts_covered, "percent", coverage_percent(coverage));
}
