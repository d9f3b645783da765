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
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(json_t) gaps = json_array();
    g_autoptr(GError) failure = NULL;
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject_answer *answer = coverage->subjects->pdata[i];
        if (!answer->by->len)
            g_ptr_array_add(names, answer->subject->key);
    }
    g_ptr_array_sort(names, by_text);
    for (guint i = 0; i < names->len; i++)
        if (i == 0 || strcmp(names->pdata[i], names->pdata[i - 1]) != 0)
            json_array_append_new(gaps, json_text_value(names->pdata[i], strlen(names->pdata[i])));
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

static void add_gap(const struct subject *subject, const GHashTable *known, struct finding_list *findings)
{
    bool alert = subject->kind == SUBJECT_ALERT;
    g_autofree char *todo =
        g_strdup_printf("write %s.md, or list '%s' in a document's covers", subject->name, subject->key);
    g_autofree char *said = alert ? g_strdup_printf("alert '%s' has no runbook", subject->name)
                                  : g_strdup_printf("%s '%s' has no runbook", subject->type, subject->name);
    finding_add(findings, alert ? "uncovered-alert" : "uncovered-workload", level_of(known, subject->key),
                subject->file, subject->line, 1, todo, "%s%s%s", said,
                subject->runbook_url ? ", and its runbook_url leads to no document: " : "",
                subject->runbook_url ? subject->runbook_url : "");
    finding_about(findings, subject->key);
}

void gaps_findings(const struct coverage *coverage, const GHashTable *known, bool strict, struct finding_list *findings)
{
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject_answer *answer = coverage->subjects->pdata[i];
        if (!answer->by->len)
            add_gap(answer->subject, known, findings);
    }
    for (guint i = 0; i < coverage->documents->len; i++) {
        const struct document_answer *answer = coverage->documents->pdata[i];
        const struct document *document = answer->document;
        /* Prose that never claimed to cover anything (an index page) is no orphan worth a warning. */
        if (answer->orphan && *document->covers)
            finding_add(findings, "orphan-document", FINDING_WARNING, document->file, 1, 1, NULL,
                        "nothing that this document covers exists: %s", *document->covers);
    }
    for (guint i = 0; i < coverage->skipped->len; i++) {
        const struct input *input = coverage->skipped->pdata[i];
        finding_add(findings, "unreadable-file", strict ? FINDING_ERROR : FINDING_WARNING, input->file, 1, 1, NULL,
                    "skipped: %s", input->skipped);
    }
    finding_sort(findings);
}
