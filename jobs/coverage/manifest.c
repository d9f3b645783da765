/* manifest: walks YAML documents for the few kinds that need a runbook. Everything else in a manifest is not its
 * business. */
#include "jobs/coverage/manifest.h"
#include "core/limits.h"
#include "core/yaml.h"
#include <string.h>

static const char *const workload_kinds[] = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", NULL};

static void workload_free(void *data)
{
    struct workload *workload = data;
    g_free(workload->kind);
    g_free(workload->namespace);
    g_free(workload->name);
    g_free(workload->file);
    g_free(workload->owner);
    g_free(workload->severity);
    g_free(workload);
}

static void alert_free(void *data)
{
    struct alert_rule *alert = data;
    g_free(alert->name);
    g_free(alert->severity);
    g_free(alert->runbook_url);
    g_free(alert->file);
    json_decref(alert->labels);
    g_free(alert);
}

static void skipped_free(void *data)
{
    struct skipped_file *skipped = data;
    g_free(skipped->file);
    g_free(skipped->reason);
    g_free(skipped);
}

struct manifest_set *manifest_set_new(void)
{
    struct manifest_set *set = g_new0(struct manifest_set, 1);
    set->workloads = g_ptr_array_new_with_free_func(workload_free);
    set->alerts = g_ptr_array_new_with_free_func(alert_free);
    set->skipped = g_ptr_array_new_with_free_func(skipped_free);
    return set;
}

void manifest_set_free(struct manifest_set *set)
{
    if (!set)
        return;
    g_ptr_array_unref(set->workloads);
    g_ptr_array_unref(set->alerts);
    g_ptr_array_unref(set->skipped);
    g_free(set);
}

void manifest_skip(struct manifest_set *set, const char *file, const char *reason)
{
    struct skipped_file *skipped = g_new0(struct skipped_file, 1);
    skipped->file = g_strdup(file);
    skipped->reason = g_strdup(reason);
    g_ptr_array_add(set->skipped, skipped);
}

/* One read: what every function below needs. */
struct reading {
    struct manifest_set *set;
    const char *file;
    const struct manifest_labels *labels;
};

/* The text of a scalar that is not null; NULL for anything else. */
static const char *scalar(const struct yaml_node *node)
{
    bool text = node && node->kind != YAML_NULL && node->kind != YAML_LIST && node->kind != YAML_MAP;
    return text ? node->text : NULL;
}

static const char *member(const struct yaml_node *map, const char *key)
{
    return scalar(yaml_get(map, key));
}

/* The first of the names that metadata's labels, or else its annotations, hold. */
static char *labelled(const struct yaml_node *metadata, char *const *names)
{
    static const char *const places[] = {"labels", "annotations"};
    for (size_t place = 0; place < G_N_ELEMENTS(places); place++)
        for (char *const *name = names; name && *name; name++) {
            const char *value = member(yaml_get(metadata, places[place]), *name);
            if (value && *value)
                return g_strdup(value);
        }
    return NULL;
}

static void add_workload(const struct reading *reading, const struct yaml_node *object, int line)
{
    const struct yaml_node *metadata = yaml_get(object, "metadata");
    const char *name = member(metadata, "name");
    if (!name || !*name) /* generateName: nothing that a runbook could be named after */
        return;
    struct workload *workload = g_new0(struct workload, 1);
    workload->kind = g_strdup(member(object, "kind"));
    workload->namespace = g_strdup(member(metadata, "namespace"));
    workload->name = g_strdup(name);
    workload->file = g_strdup(reading->file);
    workload->line = line;
    workload->owner = labelled(metadata, reading->labels->owner);
    workload->severity = labelled(metadata, reading->labels->severity);
    g_ptr_array_add(reading->set->workloads, workload);
}

static json_t *label_object(const struct yaml_node *labels)
{
    json_t *object = json_object();
    if (!labels || labels->kind != YAML_MAP)
        return object;
    const struct yaml_node *key, *value;
    yaml_foreach (labels, i, key, value)
        if (scalar(value))
            json_set_string(object, key->text, value->text);
    return object;
}

static char *rule_severity(const json_t *labels, char *const *names)
{
    for (char *const *name = names; name && *name; name++) {
        const char *value = json_get_string(labels, *name, NULL);
        if (value)
            return g_strdup(value);
    }
    return NULL;
}

static void add_rule(const struct reading *reading, const struct yaml_node *rule)
{
    const char *name = member(rule, "alert");
    if (!name || !*name) /* a recording rule */
        return;
    struct alert_rule *alert = g_new0(struct alert_rule, 1);
    alert->name = g_strdup(name);
    alert->file = g_strdup(reading->file);
    alert->line = rule->line;
    alert->labels = label_object(yaml_get(rule, "labels"));
    json_set_string(alert->labels, "alertname", name);
    alert->severity = rule_severity(alert->labels, reading->labels->severity);
    alert->runbook_url = g_strdup(member(yaml_get(rule, "annotations"), "runbook_url"));
    g_ptr_array_add(reading->set->alerts, alert);
}

/* groups: [{rules: [{alert: …}]}], of a PrometheusRule's spec or of a plain rule file. */
static void add_groups(const struct reading *reading, const struct yaml_node *groups)
{
    if (!groups || groups->kind != YAML_LIST)
        return;
    for (size_t i = 0; i < groups->count; i++) {
        const struct yaml_node *rules = yaml_get(groups->items[i], "rules");
        for (size_t j = 0; rules && rules->kind == YAML_LIST && j < rules->count; j++)
            add_rule(reading, rules->items[j]);
    }
}

static void add_object(const struct reading *reading, const struct yaml_node *object, int line, int depth)
{
    const char *kind = member(object, "kind");
    const struct yaml_node *items = yaml_get(object, "items");
    if (!kind) {
        add_groups(reading, yaml_get(object, "groups"));
    } else if (g_strv_contains(workload_kinds, kind)) {
        add_workload(reading, object, line);
    } else if (strcmp(kind, "PrometheusRule") == 0) {
        add_groups(reading, yaml_get(yaml_get(object, "spec"), "groups"));
    } else if (g_str_has_suffix(kind, "List") && items && items->kind == YAML_LIST && depth < LIMIT_YAML_DEPTH) {
        for (size_t i = 0; i < items->count; i++)
            add_object(reading, items->items[i], items->items[i]->line, depth + 1);
    }
}

static bool add_document(void *arg, struct yaml_document *document)
{
    const struct yaml_node *root = yaml_root(document);
    if (root->kind == YAML_MAP)
        add_object(arg, root, root->line, 0);
    yaml_document_free(document);
    return true;
}

/* Template braces outside of comments: Helm, Jinja, Go templates. A rule file's annotations hold them too, inside YAML.
 */
static bool looks_like_template(const char *text, size_t length)
{
    return g_strstr_len(text, (gssize)length, "{{") != NULL || g_strstr_len(text, (gssize)length, "{%") != NULL;
}

void manifest_read(struct manifest_set *set, const char *file, const char *text, size_t length,
                   const struct manifest_labels *labels)
{
    struct reading reading = {set, file, labels};
    g_autoptr(GError) error = NULL;
    if (yaml_each(text, length, file, 0, add_document, &reading, &error))
        return;
    g_autofree char *reason = looks_like_template(text, length)
                                  ? g_strdup_printf("a template, not YAML: %s", error->message)
                                  : g_strdup_printf("not YAML: %s", error->message);
    manifest_skip(set, file, reason);
}
