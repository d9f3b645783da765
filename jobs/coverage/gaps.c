/* gaps: see gaps.h. */
#include "jobs/coverage/gaps.h"
#include "core/errors.h"
#include "jobs/coverage/skeleton.h"
#include <string.h>

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

static void add_gap(const struct coverage *coverage, const struct say *say, const struct subject *subject,
                    const GHashTable *known)
{
    bool alert = subject->kind == SUBJECT_ALERT,
         old = known && g_hash_table_contains((GHashTable *)known, subject->key);
    enum rule rule = alert ? RULE_UNCOVERED_ALERT : RULE_UNCOVERED_WORKLOAD;
    int level = old ? FINDING_NOTE : say->settings->levels[rule];
    g_autofree char *file = skeleton_file(coverage, subject);
    g_autofree char *todo = g_strdup_printf("write %s, or list '%s' in a document's covers", file, subject->key);
    say_at(say, rule, (enum finding_level)level, subject->file, subject->line, subject->key, todo,
           "%s '%s' has no runbook%s%s", alert ? "alert" : subject->type, subject->name,
           subject->runbook_url ? ", and its runbook_url leads to no document: " : "",
           subject->runbook_url ? subject->runbook_url : "");
}

static void add_document(const struct say *say, const struct document_answer *answer)
{
    const struct document *document = answer->document;
    if (document->skeleton)
        say_finding(say, RULE_SKELETON_DOCUMENT, document->file, 1, document->file, NULL,
                    "nobody has written this document yet");
    /* Prose that never claimed to cover anything (an index page) is no orphan worth a word. */
    if (answer->orphan && *document->covers)
        say_finding(say, RULE_ORPHAN_DOCUMENT, document->file, 1, document->file, NULL,
                    "nothing that this document covers exists: %s", *document->covers);
    for (guint i = 0; !answer->orphan && i < answer->dead->len; i++) {
        const char *entry = answer->dead->pdata[i];
        say_finding(say, RULE_DEAD_COVER, document->file, 1, entry, NULL,
                    "this document covers '%s', which does not exist", entry);
    }
}

void gaps_findings(const struct coverage *coverage, const GHashTable *known, bool strict, const struct say *say)
{
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject_answer *answer = coverage->subjects->pdata[i];
        if (!answer->by->len)
            add_gap(coverage, say, answer->subject, known);
    }
    for (guint i = 0; i < coverage->documents->len; i++)
        add_document(say, coverage->documents->pdata[i]);
    for (guint i = 0; i < coverage->skipped->len; i++) {
        const struct input *input = coverage->skipped->pdata[i];
        int level = strict ? FINDING_ERROR : say->settings->levels[RULE_UNREADABLE_FILE];
        say_at(say, RULE_UNREADABLE_FILE, (enum finding_level)level, input->file, 1, input->file, NULL, "skipped: %s",
               input->skipped);
    }
}
