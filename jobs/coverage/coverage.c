/* coverage: answers, for each workload and alert, which documents cover it and by what. */
#include "jobs/coverage/coverage.h"
#include "jobs/coverage/changes.h"
#include "jobs/coverage/past_tree.h"
#include "jobs/coverage/render.h"
#include <string.h>

void subject_answer_free(struct subject_answer *answer)
{
    g_array_unref(answer->by);
    g_array_unref(answer->starts);
    g_free(answer);
}

static void document_answer_free(void *data)
{
    struct document_answer *answer = data;
    g_ptr_array_unref(answer->dead);
    g_free(answer);
}

static gint by_file(gconstpointer a, gconstpointer b)
{
    const struct document_answer *const *left = a, *const *right = b;
    return strcmp((*left)->document->file, (*right)->document->file);
}

static void add_input(struct coverage *coverage, struct index *index, struct input *input)
{
    g_ptr_array_add(coverage->inputs, input_ref(input));
    if (input->skipped)
        g_ptr_array_add(coverage->skipped, input);
    if (!input->document)
        return;
    struct document_answer *answer = g_new(struct document_answer, 1);
    *answer = (struct document_answer){input->document, true, g_ptr_array_new()};
    g_ptr_array_add(coverage->documents, answer);
    index_add(index, input->document);
}

static void judge_subject(struct coverage *coverage, const struct index *index, const struct subject *subject,
                          GHashTable *useful)
{
    struct subject_answer *answer = g_new(struct subject_answer, 1);
    *answer = (struct subject_answer){
        subject,
        g_array_new(FALSE, FALSE, sizeof(struct coverage_by)),
        g_array_new(FALSE, FALSE, sizeof(struct coverage_start)),
        false,
    };
    index_cover(index, subject, answer->by, answer->starts);
    const GPtrArray *documents;
    answer->dead_url = subject->runbook_url && index_resolve_url(index, subject->runbook_url, &documents) && !documents;
    for (guint i = 0; i < answer->by->len; i++)
        g_hash_table_add(useful, (void *)g_array_index(answer->by, struct coverage_by, i).document);
    coverage->counts[subject->kind].all++;
    coverage->counts[subject->kind].covered += answer->by->len > 0;
    g_ptr_array_add(coverage->subjects, answer);
}

/* ---- what documents claim ---- */

/* Every name that an entry of `covers` may have, in lower case. */
static GHashTable *names_of(const struct coverage *coverage)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject *subject = ((struct subject_answer *)coverage->subjects->pdata[i])->subject;
        g_hash_table_add(names, g_utf8_strdown(subject->key, -1));
        if (subject->namespace) {
            g_autofree char *plain = g_strdup_printf("%s/%s", subject->type, subject->name);
            g_hash_table_add(names, g_utf8_strdown(plain, -1));
        }
    }
    return names;
}

/* An entry can be called dead only where things of its kind were read. */
static bool is_judged(const struct coverage *coverage, const struct coverage_settings *settings, const char *entry)
{
    bool alert = g_ascii_strncasecmp(entry, "alert/", strlen("alert/")) == 0;
    const char *kind = alert ? NULL : manifest_kind(entry, strcspn(entry, "/"));
    return coverage->counts[alert ? SUBJECT_ALERT : SUBJECT_WORKLOAD].all > 0 &&
           (alert || (kind && !g_strv_contains((const char *const *)settings->rules.ignore_kinds, kind)));
}

static void judge_documents(struct coverage *coverage, const struct coverage_settings *settings, GHashTable *useful)
{
    g_autoptr(GHashTable) names = names_of(coverage);
    g_ptr_array_sort(coverage->documents, by_file);
    for (guint i = 0; i < coverage->documents->len; i++) {
        struct document_answer *answer = coverage->documents->pdata[i];
        answer->orphan = !g_hash_table_contains(useful, answer->document);
        for (char **entry = answer->document->covers; *entry; entry++) {
            g_autofree char *lower = g_utf8_strdown(*entry, -1);
            if (is_judged(coverage, settings, *entry) && !g_hash_table_contains(names, lower))
                g_ptr_array_add(answer->dead, *entry);
        }
    }
}

struct coverage *coverage_judge(const GPtrArray *inputs, const struct coverage_settings *settings)
{
    struct coverage *coverage = g_new0(struct coverage, 1);
    struct index *index = index_new(settings->url_prefixes);
    g_autoptr(GHashTable) useful = g_hash_table_new(NULL, NULL);
    coverage->inputs = g_ptr_array_new_with_free_func((GDestroyNotify)input_unref);
    coverage->subjects = g_ptr_array_new_with_free_func((GDestroyNotify)subject_answer_free);
    coverage->documents = g_ptr_array_new_with_free_func(document_answer_free);
    coverage->skipped = g_ptr_array_new();
    for (guint i = 0; i < inputs->len; i++)
        add_input(coverage, index, inputs->pdata[i]);
    for (guint i = 0; i < inputs->len; i++) {
        const GPtrArray *subjects = ((struct input *)inputs->pdata[i])->subjects;
        for (guint j = 0; j < subjects->len; j++)
            judge_subject(coverage, index, subjects->pdata[j], useful);
    }
    judge_documents(coverage, settings, useful);
    index_free(index);
    return coverage;
}

/* The first folder of runbooks; else the one that holds the first of them. */
static void choose_folder(struct coverage *coverage, const struct scan *scan)
{
    const struct place *chosen = NULL;
    for (guint i = 0; i < scan->places->len; i++) {
        const struct scan_place *entry = scan->places->pdata[i];
        if (entry->kind == INPUT_DOCUMENT && (!chosen || (entry->place->folder && !chosen->folder)))
            chosen = entry->place;
    }
    if (!chosen)
        return;
    g_autofree char *folder = chosen->folder ? g_strdup(chosen->path) : g_path_get_dirname(chosen->path);
    coverage->new_root = g_strdup(chosen->root);
    coverage->new_folder = g_strdup(place_relative(chosen, folder));
}

struct reading {
    const struct past *past; /* NULL: nothing is compared */
    bool render;
};

/* What is rendered is read anew in the past, and never the same pointer. */
static bool wants_digest(const void *arg, const struct input *input)
{
    const struct reading *reading = arg;
    return reading->past && (reading->render || past_touches(reading->past, input));
}

static bool compare(struct coverage *coverage, const struct scan *scan, const struct coverage_settings *settings,
                    const struct coverage_options *options, struct past *past, GError **error)
{
    g_autoptr(GPtrArray) inputs =
        options->render ? past_tree_inputs(past, scan, settings, error) : past_inputs(past, scan, settings);
    if (!inputs) {
        past_free(past);
        return false;
    }
    coverage->changes = changes_new(coverage, coverage_judge(inputs, settings), past, options->since);
    changes_narrow(coverage, options->strict);
    return true;
}

struct coverage *coverage_read(struct scan *scan, const struct coverage_settings *settings,
                               const struct coverage_options *options, GError **error)
{
    struct past *past = NULL;
    if (options->since && !(past = past_new(scan, options->since, error)))
        return NULL;
    if (past)
        past_add_unknown(past, scan);
    if (options->render)
        render_scan(scan, settings);
    struct reading reading = {past, options->render};
    inputs_read(scan->inputs, &settings->rules, wants_digest, &reading);
    struct coverage *coverage = coverage_judge(scan->inputs, settings);
    choose_folder(coverage, scan);
    if (past && !compare(coverage, scan, settings, options, past, error))
        g_clear_pointer(&coverage, coverage_free);
    return coverage;
}

void coverage_free(struct coverage *coverage)
{
    if (!coverage)
        return;
    changes_free(coverage->changes);
    g_free(coverage->new_root);
    g_free(coverage->new_folder);
    g_ptr_array_unref(coverage->subjects);
    g_ptr_array_unref(coverage->documents);
    g_ptr_array_unref(coverage->skipped);
    g_ptr_array_unref(coverage->inputs);
    g_free(coverage);
}

double coverage_percent(const struct coverage *coverage)
{
    const struct coverage_count *workloads = &coverage->counts[SUBJECT_WORKLOAD],
                                *alerts = &coverage->counts[SUBJECT_ALERT];
    size_t all = workloads->all + alerts->all;
    return all ? 100.0 * (double)(workloads->covered + alerts->covered) / (double)all : 100.0;
}
