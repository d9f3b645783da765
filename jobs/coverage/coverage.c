/* coverage: reads the folders and answers, for each workload and alert, which documents cover it and by what. Lookups
 * go through indexes, so that 10,000 manifests against 10,000 documents stay linear. */
#include "jobs/coverage/coverage.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/coverage/files.h"
#include "jobs/runbook.h"
#include "jobs/trigger.h"
#include <string.h>

/* What the documents offer, by lower-case text → GPtrArray of struct document*. */
struct index {
    struct coverage *coverage;
    const struct coverage_settings *settings;
    GHashTable *names;    /* file name without .md */
    GHashTable *covers;   /* entries of `covers` */
    GHashTable *paths;    /* path without .md */
    GHashTable *triggers; /* alert name of a trigger's equal match → GPtrArray of struct offer* */
    GPtrArray *offers;    /* triggers that match by anything else */
    GPtrArray *runbooks;  /* struct runbook*, parsed; own the triggers */
};

struct offer {
    struct document *document;
    const struct trigger *trigger;
};

static void document_free(void *data)
{
    struct document *document = data;
    g_free(document->file);
    g_free(document->owner);
    g_strfreev(document->covers);
    g_free(document);
}

static void unref_array(void *array)
{
    g_ptr_array_unref(array);
}

static void put(GHashTable *table, const char *key, void *value, GDestroyNotify free_value)
{
    char *lower = g_utf8_strdown(key, -1);
    GPtrArray *list = g_hash_table_lookup(table, lower);
    if (!list) {
        list = g_ptr_array_new_with_free_func(free_value);
        g_hash_table_insert(table, lower, list);
    } else {
        g_free(lower);
    }
    g_ptr_array_add(list, value);
}

static const GPtrArray *get(GHashTable *table, const char *key)
{
    g_autofree char *lower = g_utf8_strdown(key, -1);
    return g_hash_table_lookup(table, lower);
}

static char *without_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path) - (g_str_has_suffix(path, suffix) ? strlen(suffix) : 0);
    return g_strndup(path, length);
}

/* ---- documents ---- */

static void offer_trigger(struct index *index, struct document *document, const struct trigger *trigger)
{
    const json_t *wanted = json_object_get(trigger->match, "alert");
    const char *name = json_string_value(wanted);
    struct offer *offer = g_new(struct offer, 1);
    *offer = (struct offer){document, trigger};
    if (name && *name != '~' && *name != '!')
        put(index->triggers, name, offer, g_free);
    else
        g_ptr_array_add(index->offers, offer);
}

static void index_document(struct index *index, struct document *document, const struct runbook *runbook)
{
    g_autofree char *stem = without_suffix(document->file, ".md");
    g_autofree char *name = g_path_get_basename(stem);
    put(index->names, name, document, NULL);
    put(index->paths, stem, document, NULL);
    for (char **entry = document->covers; entry && *entry; entry++)
        put(index->covers, *entry, document, NULL);
    for (guint i = 0; runbook && runbook->triggers && i < runbook->triggers->len; i++) {
        const struct trigger *trigger = runbook->triggers->pdata[i];
        if (trigger->kind == TRIGGER_INCIDENT)
            offer_trigger(index, document, trigger);
    }
}

static void read_document(void *arg, const char *file, const char *text, size_t length)
{
    struct index *index = arg;
    g_autoptr(finding_list) findings = finding_list_new();
    struct runbook *runbook = runbook_parse(file, text, length, findings);
    struct document *document = g_new0(struct document, 1);
    document->file = g_strdup(file);
    if (runbook) {
        document->owner = g_strdup(runbook->owner);
        document->covers = g_strdupv(runbook->covers);
        document->runbook = !runbook->document;
        g_ptr_array_add(index->runbooks, runbook);
    } else {
        /* A broken runbook still covers by its name: the file is there, and lint says what is wrong with it. */
        g_autofree char *said =
            finding_count(findings) ? finding_to_text(finding_at(findings, 0)) : g_strdup("not readable");
        manifest_skip(index->coverage->set, file, said);
    }
    g_ptr_array_add(index->coverage->documents, document);
    index_document(index, document, runbook);
}

/* ---- answers ---- */

static void answer(GArray *by, struct document *document, const char *how)
{
    for (guint i = 0; i < by->len; i++)
        if (g_array_index(by, struct coverage_by, i).file == document->file)
            return; /* the first way that was found is enough */
    struct coverage_by entry = {document->file, how};
    document->orphan = false;
    g_array_append_val(by, entry);
}

static void answer_all(GArray *by, const GPtrArray *documents, const char *how)
{
    for (guint i = 0; documents && i < documents->len; i++)
        answer(by, documents->pdata[i], how);
}

static GArray *cover_workload(struct index *index, const struct workload *workload)
{
    GArray *by = g_array_new(FALSE, FALSE, sizeof(struct coverage_by));
    g_autofree char *plain = g_strdup_printf("%s/%s", workload->kind, workload->name);
    answer_all(by, get(index->names, workload->name), "name");
    answer_all(by, get(index->covers, plain), "covers");
    if (workload->namespace) {
        g_autofree char *full = g_strdup_printf("%s/%s/%s", workload->kind, workload->namespace, workload->name);
        answer_all(by, get(index->covers, full), "covers");
    }
    return by;
}

static void answer_offers(GArray *by, const GPtrArray *offers, const json_t *incident, const json_t *alert)
{
    for (guint i = 0; offers && i < offers->len; i++) {
        const struct offer *offer = offers->pdata[i];
        if (trigger_matches(offer->trigger, incident, offer->trigger->for_each_alert ? alert : NULL, NULL))
            answer(by, offer->document, "trigger");
    }
}

static void answer_triggers(struct index *index, GArray *by, const struct alert_rule *rule)
{
    const GPtrArray *named = get(index->triggers, rule->name);
    if (!named && !index->offers->len)
        return;
    g_autoptr(json_t) alert = json_pack("{s:s, s:s, s:O, s:{}}", "status", "firing", "name", rule->name, "labels",
                                        rule->labels, "annotations");
    g_autoptr(json_t) incident = json_pack("{s:s, s:s, s:O, s:[O], s:s*}", "status", "triggered", "source", "",
                                           "labels", rule->labels, "alerts", alert, "severity", rule->severity);
    answer_offers(by, named, incident, alert);
    answer_offers(by, index->offers, incident, alert);
}

/* The path of a URL without query, fragment, trailing slash and page suffix. g_free. */
static char *url_path(const char *text)
{
    g_autofree char *path = g_strndup(text, strcspn(text, "?#"));
    while (g_str_has_suffix(path, "/"))
        path[strlen(path) - 1] = '\0';
    g_autofree char *page = without_suffix(path, ".html");
    return without_suffix(page, ".md");
}

/* A runbook_url resolves through the configured beginnings; when none fits, by its last part being a file's name. */
static void answer_url(struct index *index, GArray *by, const char *url)
{
    const char *prefix;
    json_t *folder;
    json_object_foreach (index->settings->url_prefixes, prefix, folder) {
        if (!g_str_has_prefix(url, prefix))
            continue;
        g_autofree char *rest = url_path(url + strlen(prefix));
        const char *relative = rest;
        while (*relative == '/')
            relative++;
        const char *place = json_string_value(folder);
        g_autofree char *path = *place ? g_build_filename(place, relative, NULL) : g_strdup(relative);
        answer_all(by, get(index->paths, path), "runbook_url");
        return;
    }
    g_autofree char *path = url_path(url);
    g_autofree char *last = g_path_get_basename(path);
    answer_all(by, get(index->names, last), "runbook_url");
}

static GArray *cover_alert(struct index *index, const struct alert_rule *rule)
{
    GArray *by = g_array_new(FALSE, FALSE, sizeof(struct coverage_by));
    g_autofree char *entry = g_strdup_printf("alert/%s", rule->name);
    answer_all(by, get(index->covers, entry), "covers");
    answer_triggers(index, by, rule);
    answer_all(by, get(index->names, rule->name), "name");
    if (rule->runbook_url)
        answer_url(index, by, rule->runbook_url);
    return by;
}

/* ---- the whole ---- */

static void free_array(void *array)
{
    g_array_free(array, TRUE);
}

static gint by_file(gconstpointer a, gconstpointer b)
{
    return strcmp((*(struct document *const *)a)->file, (*(struct document *const *)b)->file);
}

static void judge(struct index *index)
{
    struct coverage *coverage = index->coverage;
    for (guint i = 0; i < coverage->documents->len; i++)
        ((struct document *)coverage->documents->pdata[i])->orphan = true;
    for (guint i = 0; i < coverage->set->workloads->len; i++) {
        GArray *by = cover_workload(index, coverage->set->workloads->pdata[i]);
        coverage->workloads_covered += by->len > 0;
        g_ptr_array_add(coverage->workload_by, by);
    }
    for (guint i = 0; i < coverage->set->alerts->len; i++) {
        GArray *by = cover_alert(index, coverage->set->alerts->pdata[i]);
        coverage->alerts_covered += by->len > 0;
        g_ptr_array_add(coverage->alert_by, by);
    }
}

static void read_manifest(void *arg, const char *file, const char *text, size_t length)
{
    struct index *index = arg;
    manifest_read(index->coverage->set, file, text, length, &index->settings->labels);
}

static void skip_file(void *arg, const char *file, const char *reason)
{
    struct index *index = arg;
    manifest_skip(index->coverage->set, file, reason);
}

/* Workloads of kinds that need no runbook leave the set. */
static void drop_ignored_kinds(struct coverage *coverage, const struct coverage_settings *settings)
{
    for (guint i = coverage->set->workloads->len; i-- > 0;) {
        const struct workload *workload = coverage->set->workloads->pdata[i];
        if (g_strv_contains((const char *const *)settings->ignore_kinds, workload->kind))
            g_ptr_array_remove_index(coverage->set->workloads, i);
    }
}

static void index_init(struct index *index, struct coverage *coverage, const struct coverage_settings *settings)
{
    *index = (struct index){.coverage = coverage, .settings = settings};
    index->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_array);
    index->covers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_array);
    index->paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_array);
    index->triggers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_array);
    index->offers = g_ptr_array_new_with_free_func(g_free);
    index->runbooks = g_ptr_array_new_with_free_func((GDestroyNotify)runbook_free);
}

static void index_clear(struct index *index)
{
    g_hash_table_unref(index->names);
    g_hash_table_unref(index->covers);
    g_hash_table_unref(index->paths);
    g_hash_table_unref(index->triggers);
    g_ptr_array_unref(index->offers);
    g_ptr_array_unref(index->runbooks);
}

struct coverage *coverage_read(const struct coverage_paths *paths, const struct coverage_settings *settings,
                               GError **error)
{
    static const char *const yaml[] = {".yaml", ".yml", NULL};
    static const char *const markdown[] = {".md", NULL};
    struct coverage *coverage = g_new0(struct coverage, 1);
    struct index index;
    coverage->set = manifest_set_new();
    coverage->documents = g_ptr_array_new_with_free_func(document_free);
    coverage->workload_by = g_ptr_array_new_with_free_func(free_array);
    coverage->alert_by = g_ptr_array_new_with_free_func(free_array);
    index_init(&index, coverage, settings);
    struct files files = {NULL, settings->ignore, yaml, LIMIT_MANIFEST_BYTES, read_manifest, skip_file, &index, NULL};
    files.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bool ok = files_each(&files, paths->manifests, error) && files_each(&files, paths->alerts, error);
    files.suffixes = markdown;
    files.max_bytes = LIMIT_RUNBOOK_BYTES;
    files.file = read_document;
    ok = ok && files_each(&files, paths->runbooks, error);
    g_hash_table_unref(files.seen);
    if (ok) {
        drop_ignored_kinds(coverage, settings);
        g_ptr_array_sort(coverage->documents, by_file);
        judge(&index);
    }
    index_clear(&index);
    if (!ok)
        g_clear_pointer(&coverage, coverage_free);
    return coverage;
}

void coverage_free(struct coverage *coverage)
{
    if (!coverage)
        return;
    g_ptr_array_unref(coverage->workload_by);
    g_ptr_array_unref(coverage->alert_by);
    g_ptr_array_unref(coverage->documents);
    manifest_set_free(coverage->set);
    g_free(coverage);
}

double coverage_percent(const struct coverage *coverage)
{
    size_t all = coverage->set->workloads->len + coverage->set->alerts->len;
    return all ? 100.0 * (double)(coverage->workloads_covered + coverage->alerts_covered) / (double)all : 100.0;
}
