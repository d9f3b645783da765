/* index: see index.h. Every table goes from lower-case text to a GPtrArray. */
#include "jobs/coverage/index.h"
#include "jobs/labels.h"
#include "jobs/trigger.h"
#include <string.h>

struct index {
    const json_t *url_prefixes;
    GHashTable *names;    /* file name without .md → documents */
    GHashTable *covers;   /* entry of `covers` → documents */
    GHashTable *paths;    /* path without .md → documents */
    GHashTable *triggers; /* alert's name in a trigger's equal match → struct offer* */
    GPtrArray *offers;    /* triggers that match by anything else */
};

/* A trigger, with a match that leaves out what a rule file cannot know. */
struct offer {
    const struct document *document;
    const struct trigger *trigger;
    struct trigger known; /* borrows all but `match` */
};

static void offer_free(void *data)
{
    struct offer *offer = data;
    json_decref(offer->known.match);
    g_free(offer);
}

static GHashTable *table_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
}

struct index *index_new(const json_t *url_prefixes)
{
    struct index *index = g_new(struct index, 1);
    *index = (struct index){
        url_prefixes, table_new(), table_new(), table_new(), table_new(), g_ptr_array_new_with_free_func(offer_free),
    };
    return index;
}

void index_free(struct index *index)
{
    if (!index)
        return;
    g_hash_table_unref(index->names);
    g_hash_table_unref(index->covers);
    g_hash_table_unref(index->paths);
    g_hash_table_unref(index->triggers);
    g_ptr_array_unref(index->offers);
    g_free(index);
}

static void put(GHashTable *table, const char *key, const void *value, GDestroyNotify free_value)
{
    char *lower = g_utf8_strdown(key, -1);
    GPtrArray *list = g_hash_table_lookup(table, lower);
    if (list) {
        g_free(lower);
    } else {
        list = g_ptr_array_new_with_free_func(free_value);
        g_hash_table_insert(table, lower, list);
    }
    g_ptr_array_add(list, (void *)value);
}

static const GPtrArray *get(const GHashTable *table, const char *key)
{
    g_autofree char *lower = g_utf8_strdown(key, -1);
    return g_hash_table_lookup((GHashTable *)table, lower);
}

static char *without_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path) - (g_str_has_suffix(path, suffix) ? strlen(suffix) : 0);
    return g_strndup(path, length);
}

/* ---- adding ---- */

/* What a rule file says nothing about: the sender, and what the server's configuration makes of labels. */
static const char *const unknowable[] = {"source", "service", "team", "title", NULL};

/* A match of nothing but the unknowable could hold for every alert: it offers nothing. */
static json_t *known_match(const json_t *match)
{
    json_t *known = json_object(), *wanted;
    const char *rule;
    json_object_foreach ((json_t *)match, rule, wanted)
        if (!g_strv_contains(unknowable, rule))
            json_object_set(known, rule, wanted);
    if (!match || (json_object_size(match) && !json_object_size(known)))
        g_clear_pointer(&known, json_decref);
    return known;
}

static void add_trigger(struct index *index, const struct document *document, const struct trigger *trigger)
{
    json_t *match = known_match(trigger->match);
    if (!match)
        return;
    struct offer *offer = g_new(struct offer, 1);
    *offer = (struct offer){document, trigger, *trigger};
    offer->known.match = match;
    const char *name = json_string_value(json_object_get(match, "alert"));
    if (name && *name != '~' && *name != '!')
        put(index->triggers, name, offer, offer_free);
    else
        g_ptr_array_add(index->offers, offer);
}

void index_add(struct index *index, const struct document *document)
{
    g_autofree char *stem = without_suffix(document->file, ".md");
    g_autofree char *name = g_path_get_basename(stem);
    put(index->names, name, document, NULL);
    put(index->paths, stem, document, NULL);
    for (char **entry = document->covers; *entry; entry++)
        put(index->covers, *entry, document, NULL);
    for (guint i = 0; i < document->triggers->len; i++)
        add_trigger(index, document, document->triggers->pdata[i]);
}

/* ---- asking ---- */

static void answer(GArray *by, const struct document *document, const char *how)
{
    for (guint i = 0; i < by->len; i++)
        if (g_array_index(by, struct coverage_by, i).document == document)
            return;
    struct coverage_by entry = {document, how};
    g_array_append_val(by, entry);
}

static void answer_all(GArray *by, const GPtrArray *documents, const char *how)
{
    for (guint i = 0; documents && i < documents->len; i++)
        answer(by, documents->pdata[i], how);
}

static void cover_workload(const struct index *index, const struct subject *workload, GArray *by)
{
    g_autofree char *plain = g_strdup_printf("%s/%s", workload->type, workload->name);
    answer_all(by, get(index->names, workload->name), "name");
    answer_all(by, get(index->covers, plain), "covers");
    if (workload->namespace)
        answer_all(by, get(index->covers, workload->key), "covers");
}

/* The incident that Alertmanager would make of this rule alone, and its alert. */
struct imagined {
    json_t *incident, *alert;
};

static struct imagined imagine(const struct subject *rule)
{
    const char *severity = rule->severity ? label_severity_of(rule->severity) : NULL;
    json_t *alert = json_pack("{s:s, s:s, s:O, s:{}}", "status", "firing", "name", rule->name, "labels", rule->labels,
                              "annotations");
    json_t *incident = json_pack("{s:s, s:O, s:[O]}", "status", "triggered", "labels", rule->labels, "alerts", alert);
    json_set_string(incident, "severity", severity ? severity : rule->severity);
    return (struct imagined){incident, alert};
}

static void answer_offers(const GPtrArray *offers, const struct imagined *imagined, GArray *by, GArray *starts)
{
    for (guint i = 0; offers && i < offers->len; i++) {
        const struct offer *offer = offers->pdata[i];
        const json_t *alert = offer->known.for_each_alert ? imagined->alert : NULL;
        if (!trigger_matches(&offer->known, imagined->incident, alert, NULL))
            continue;
        struct coverage_start start = {offer->document, offer->trigger};
        g_array_append_val(starts, start);
        answer(by, offer->document, "trigger");
    }
}

static void answer_triggers(const struct index *index, const struct subject *rule, GArray *by, GArray *starts)
{
    const GPtrArray *named = get(index->triggers, rule->name);
    if (!named && !index->offers->len)
        return;
    struct imagined imagined = imagine(rule);
    answer_offers(named, &imagined, by, starts);
    answer_offers(index->offers, &imagined, by, starts);
    json_decref(imagined.incident);
    json_decref(imagined.alert);
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

/* The longest beginning that fits, or NULL. */
static const char *prefix_of(const struct index *index, const char *url)
{
    const char *prefix, *longest = NULL;
    json_t *folder;
    json_object_foreach ((json_t *)index->url_prefixes, prefix, folder)
        if (g_str_has_prefix(url, prefix) && (!longest || strlen(prefix) > strlen(longest)))
            longest = prefix;
    return longest;
}

bool index_resolve_url(const struct index *index, const char *url, const GPtrArray **ret_documents)
{
    const char *prefix = prefix_of(index, url);
    if (!prefix)
        return false;
    g_autofree char *rest = url_path(url + strlen(prefix));
    const char *below = rest + strspn(rest, "/");
    const char *place = json_string_value(json_object_get(index->url_prefixes, prefix));
    g_autofree char *path = !*place ? g_strdup(below) : *below ? g_build_filename(place, below, NULL) : g_strdup(place);
    *ret_documents = get(index->paths, path);
    return true;
}

/* A runbook_url resolves through the configured beginnings; when none fits, by its last part being a file's name. */
static void answer_url(const struct index *index, const char *url, GArray *by)
{
    const GPtrArray *documents;
    if (!index_resolve_url(index, url, &documents)) {
        g_autofree char *path = url_path(url);
        g_autofree char *last = g_path_get_basename(path);
        documents = get(index->names, last);
    }
    answer_all(by, documents, "runbook_url");
}

void index_cover(const struct index *index, const struct subject *subject, GArray *by, GArray *starts)
{
    if (subject->kind == SUBJECT_WORKLOAD) {
        cover_workload(index, subject, by);
        return;
    }
    answer_all(by, get(index->covers, subject->key), "covers");
    answer_triggers(index, subject, by, starts);
    answer_all(by, get(index->names, subject->name), "name");
    if (subject->runbook_url)
        answer_url(index, subject->runbook_url, by);
}
