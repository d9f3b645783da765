/* manifest: walks YAML documents for the few kinds that need a runbook. Everything else in a manifest is not its
 * business. */
#include "jobs/coverage/manifest.h"
#include "core/limits.h"
#include "core/yaml.h"
#include <string.h>

static const char *const workload_kinds[] = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", NULL};

const char *manifest_kind(const char *text, size_t length)
{
    for (const char *const *kind = workload_kinds; *kind; kind++)
        if (strlen(*kind) == length && g_ascii_strncasecmp(*kind, text, length) == 0)
            return *kind;
    return NULL;
}

/* One read: what every function below needs. */
struct reading {
    GPtrArray *subjects;
    const char *file;
    const struct manifest_rules *rules;
    bool digests;
    char *template; /* NULL, or the first name that a template engine would fill in: g_free */
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

/* ---- digests ---- */

/* Each node with its kind and size first, so that no two trees give the same bytes. */
static void digest_node(GChecksum *checksum, const struct yaml_node *node)
{
    g_autofree char *head =
        g_strdup_printf("%d:%zu:", (int)node->kind, node->kind < YAML_LIST ? node->text_length : node->count);
    g_checksum_update(checksum, (const guchar *)head, -1);
    if (node->kind < YAML_LIST)
        g_checksum_update(checksum, (const guchar *)node->text, (gssize)node->text_length);
    for (size_t i = 0; node->kind >= YAML_LIST && i < node->count; i++) {
        if (node->kind == YAML_MAP)
            digest_node(checksum, node->keys[i]);
        digest_node(checksum, node->items[i]);
    }
}

static void add(const struct reading *reading, struct subject *subject, const struct yaml_node *node, int line)
{
    subject->file = g_strdup(reading->file);
    subject->line = line;
    if (reading->digests) {
        g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
        digest_node(checksum, node);
        subject->digest = g_strdup(g_checksum_get_string(checksum));
    }
    g_ptr_array_add(reading->subjects, subject);
}

/* ---- workloads ---- */

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

/* "{{ .Release.Name }}-web", quoted, is YAML all the same. */
static bool is_template(struct reading *reading, const char *what, const char *name)
{
    if (!strstr(name, "{{"))
        return false;
    if (!reading->template)
        reading->template = g_strdup_printf("a template: a %s is named '%s'", what, name);
    return true;
}

static void add_workload(struct reading *reading, const struct yaml_node *object, int line)
{
    const struct yaml_node *metadata = yaml_get(object, "metadata");
    const char *type = member(object, "kind"), *name = member(metadata, "name");
    if (!name || !*name) /* generateName: nothing that a runbook could be named after */
        return;
    if (reading->rules->ignore_kinds && g_strv_contains((const char *const *)reading->rules->ignore_kinds, type))
        return;
    if (is_template(reading, type, name))
        return;
    struct subject *workload = subject_new_workload(type, member(metadata, "namespace"), name);
    workload->owner = labelled(metadata, reading->rules->owner_labels);
    workload->severity = labelled(metadata, reading->rules->severity_labels);
    add(reading, workload, object, line);
}

/* ---- alerts ---- */

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

static void add_rule(struct reading *reading, const struct yaml_node *rule)
{
    const char *name = member(rule, "alert");
    if (!name || !*name) /* a recording rule */
        return;
    if (is_template(reading, "alert", name))
        return;
    struct subject *alert = subject_new_alert(name);
    alert->labels = label_object(yaml_get(rule, "labels"));
    json_set_string(alert->labels, "alertname", name);
    alert->owner = labelled(rule, reading->rules->owner_labels);
    alert->severity = labelled(rule, reading->rules->severity_labels);
    alert->runbook_url = g_strdup(member(yaml_get(rule, "annotations"), "runbook_url"));
    add(reading, alert, rule, rule->line);
}

/* groups: [{rules: [{alert: …}]}], of a PrometheusRule's spec or of a plain rule file. */
static void add_groups(struct reading *reading, const struct yaml_node *groups)
{
    if (!groups || groups->kind != YAML_LIST)
        return;
    for (size_t i = 0; i < groups->count; i++) {
        const struct yaml_node *rules = yaml_get(groups->items[i], "rules");
        for (size_t j = 0; rules && rules->kind == YAML_LIST && j < rules->count; j++)
            add_rule(reading, rules->items[j]);
    }
}

/* ---- documents ---- */

static void add_object(struct reading *reading, const struct yaml_node *object, int depth)
{
    const char *kind = member(object, "kind");
    const struct yaml_node *items = yaml_get(object, "items");
    if (!kind) {
        add_groups(reading, yaml_get(object, "groups"));
    } else if (g_strv_contains(workload_kinds, kind)) {
        add_workload(reading, object, object->line);
    } else if (strcmp(kind, "PrometheusRule") == 0) {
        add_groups(reading, yaml_get(yaml_get(object, "spec"), "groups"));
    } else if (g_str_has_suffix(kind, "List") && items && items->kind == YAML_LIST && depth < LIMIT_YAML_DEPTH) {
        for (size_t i = 0; i < items->count; i++)
            add_object(reading, items->items[i], depth + 1);
    }
}

static bool add_document(void *arg, struct yaml_document *document)
{
    const struct yaml_node *root = yaml_root(document);
    if (root->kind == YAML_MAP)
        add_object(arg, root, 0);
    yaml_document_free(document);
    return true;
}

/* Template braces outside of comments: Helm, Jinja, Go templates. A rule file's annotations hold them too, inside YAML.
 */
static bool looks_like_template(const char *text, size_t length)
{
    return g_strstr_len(text, (gssize)length, "{{") != NULL || g_strstr_len(text, (gssize)length, "{%") != NULL;
}

char *manifest_read(GPtrArray *subjects, const char *file, const char *text, size_t length,
                    const struct manifest_rules *rules, bool digests)
{
    struct reading reading = {subjects, file, rules, digests, NULL};
    g_autoptr(GError) error = NULL;
    if (yaml_each(text, length, file, 0, add_document, &reading, &error))
        return reading.template;
    g_free(reading.template);
    return g_strdup_printf("%s: %s", looks_like_template(text, length) ? "a template, not YAML" : "not YAML",
                           error->message);
}
