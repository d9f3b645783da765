/* gaps: see gaps.h. */
#include "jobs/coverage/gaps.h"
#include "core/errors.h"
#include <string.h>

static const struct {
    const char *rule, *help;
} rules[] = {
    {"uncovered-workload", "No runbook or document is named after this workload or lists it in `covers`."},
    {"uncovered-alert",
     "No runbook or document covers this alert: by `covers`, a trigger, its file name, or the rule's runbook_url."},
    {"orphan-document", "What this document covers does not exist in the manifests and alert rules that were read."},
    {"unreadable-file", "This file could not be read as YAML or as a runbook, so nothing in it was counted."},
};

const char *gaps_help(const char *rule)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].rule, rule) == 0)
            return rules[i].help;
    return NULL;
}

char *gap_workload_name(const struct workload *workload)
{
    g_autofree char *kind = g_ascii_strdown(workload->kind, -1);
    return workload->namespace ? g_strdup_printf("%s/%s/%s", kind, workload->namespace, workload->name)
                               : g_strdup_printf("%s/%s", kind, workload->name);
}

char *gap_alert_name(const struct alert_rule *alert)
{
    return g_strdup_printf("alert/%s", alert->name);
}

static bool covered(const GPtrArray *by, guint i)
{
    return ((const GArray *)by->pdata[i])->len > 0;
}

/* ---- baseline ---- */

GHashTable *baseline_read(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(path, &text, &length, &failure)) {
        errors_set(error, ERROR_IO, "cannot read the baseline: %s", failure->message);
        return NULL;
    }
    g_autoptr(json_t) value = json_parse(text, length, path, error);
    if (!value)
        return NULL;
    json_t *gaps = json_object_get(value, "gaps");
    if (!json_is_array(gaps)) {
        errors_set(error, ERROR_PARSE, "%s: expected {\"gaps\": [NAME, …]}", path);
        return NULL;
    }
    GHashTable *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    size_t i;
    json_t *gap;
    json_array_foreach (gaps, i, gap)
        if (json_is_string(gap))
            g_hash_table_add(set, g_strdup(json_string_value(gap)));
    return set;
}

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool baseline_write(const char *path, const struct coverage *coverage, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(json_t) gaps = json_array();
    g_autoptr(GError) failure = NULL;
    for (guint i = 0; i < coverage->set->workloads->len; i++)
        if (!covered(coverage->workload_by, i))
            g_ptr_array_add(names, gap_workload_name(coverage->set->workloads->pdata[i]));
    for (guint i = 0; i < coverage->set->alerts->len; i++)
        if (!covered(coverage->alert_by, i))
            g_ptr_array_add(names, gap_alert_name(coverage->set->alerts->pdata[i]));
    g_ptr_array_sort(names, by_text);
    for (guint i = 0; i < names->len; i++)
        if (i == 0 || strcmp(names->pdata[i], names->pdata[i - 1]) != 0)
            json_array_append_new(gaps, json_string(names->pdata[i]));
    g_autoptr(json_t) value = json_pack("{s:O}", "gaps", gaps);
    g_autofree char *text = json_text_pretty(value);
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    if (g_file_set_contents(path, line, -1, &failure))
        return true;
    errors_set(error, ERROR_IO, "cannot write the baseline: %s", failure->message);
    return false;
}

/* ---- findings ---- */

static enum finding_level level_of(const GHashTable *known, const char *name)
{
    return known && g_hash_table_contains((GHashTable *)known, name) ? FINDING_NOTE : FINDING_ERROR;
}

static void workload_gap(const struct workload *workload, const GHashTable *known, struct finding_list *findings)
{
    g_autofree char *name = gap_workload_name(workload);
    g_autofree char *todo = g_strdup_printf("write %s.md, or list '%s' in a document's covers", workload->name, name);
    finding_add(findings, "uncovered-workload", level_of(known, name), workload->file, workload->line, 1, todo,
                "%s '%s' has no runbook", workload->kind, workload->name);
    finding_about(findings, name);
}

static void alert_gap(const struct alert_rule *alert, const GHashTable *known, struct finding_list *findings)
{
    g_autofree char *name = gap_alert_name(alert);
    g_autofree char *todo = g_strdup_printf("write %s.md, or list '%s' in a document's covers", alert->name, name);
    if (alert->runbook_url)
        finding_add(findings, "uncovered-alert", level_of(known, name), alert->file, alert->line, 1, todo,
                    "alert '%s' has no runbook, and its runbook_url leads to no document: %s", alert->name,
                    alert->runbook_url);
    else
        finding_add(findings, "uncovered-alert", level_of(known, name), alert->file, alert->line, 1, todo,
                    "alert '%s' has no runbook", alert->name);
    finding_about(findings, name);
}

void gaps_findings(const struct coverage *coverage, const GHashTable *known, bool strict, struct finding_list *findings)
{
    const struct manifest_set *set = coverage->set;
    for (guint i = 0; i < set->workloads->len; i++)
        if (!covered(coverage->workload_by, i))
            workload_gap(set->workloads->pdata[i], known, findings);
    for (guint i = 0; i < set->alerts->len; i++)
        if (!covered(coverage->alert_by, i))
            alert_gap(set->alerts->pdata[i], known, findings);
    for (guint i = 0; i < coverage->documents->len; i++) {
        const struct document *document = coverage->documents->pdata[i];
        /* Prose that never claimed to cover anything (an index page) is no orphan worth a warning. */
        if (document->orphan && document->covers && *document->covers)
            finding_add(findings, "orphan-document", FINDING_WARNING, document->file, 1, 1, NULL,
                        "nothing that this document covers exists: %s", *document->covers);
    }
    for (guint i = 0; i < set->skipped->len; i++) {
        const struct skipped_file *file = set->skipped->pdata[i];
        finding_add(findings, "unreadable-file", strict ? FINDING_ERROR : FINDING_WARNING, file->file, 1, 1, NULL,
                    "skipped: %s", file->reason);
    }
    finding_sort(findings);
}
