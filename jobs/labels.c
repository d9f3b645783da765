#include "jobs/labels.h"
#include "core/errors.h"
#include "core/yaml.h"
#include <string.h>

#define SEVERITIES 4

struct label_rules {
    GPtrArray *severity_labels; /* names, first wins */
    GHashTable *words;          /* lower-case word → "SEV1".."SEV4" */
    GPtrArray *service_labels, *team_labels;
};

static const char *const severity_names[SEVERITIES] = {"SEV1", "SEV2", "SEV3", "SEV4"};

/* What senders say, when the configuration does not. A configured word replaces the default for that word only. */
static const struct {
    const char *word;
    int severity;
} default_words[] = {
    {"sev1", 0}, {"critical", 0}, {"p1", 0},   {"page", 0},    {"sev2", 1}, {"error", 1},
    {"high", 1}, {"p2", 1},       {"sev3", 2}, {"warning", 2}, {"p3", 2},   {"sev4", 3},
    {"info", 3}, {"none", 3},     {"low", 3},  {"p4", 3},      {"p5", 3},
};

const char *label_severity_of(const char *word)
{
    for (size_t i = 0; i < G_N_ELEMENTS(default_words); i++)
        if (g_ascii_strcasecmp(default_words[i].word, word) == 0)
            return severity_names[default_words[i].severity];
    return NULL;
}

static const char *const default_severity_labels[] = {"sev", "severity", NULL};
static const char *const default_service_labels[] = {"service", "job", NULL};
static const char *const default_team_labels[] = {"team", "owner", NULL};

/* A list of texts under a key, or the defaults. "labels.sev" and "sev" mean the same. */
static GPtrArray *read_names(const struct yaml_node *node, const char *what, const char *const *defaults,
                             GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (; !node && *defaults; defaults++)
        g_ptr_array_add(names, g_strdup(*defaults));
    size_t count = !node ? 0 : node->kind == YAML_LIST ? node->count : 1;
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *item = node->kind == YAML_LIST ? node->items[i] : node;
        if (item->kind != YAML_STRING) {
            errors_set(error, ERROR_CONFIG, "line %d: '%s' must be a list of label names", item->line, what);
            return NULL;
        }
        g_ptr_array_add(names, g_strdup(g_str_has_prefix(item->text, "labels.") ? item->text + 7 : item->text));
    }
    return g_steal_pointer(&names);
}

static bool check_keys(const struct yaml_node *node, const char *what, const char *a, const char *b, GError **error)
{
    if (!node || node->kind == YAML_NULL)
        return true;
    if (node->kind != YAML_MAP) {
        errors_set(error, ERROR_CONFIG, "line %d: '%s' must be a map", node->line, what);
        return false;
    }
    for (size_t i = 0; i < node->count; i++) {
        const char *key = node->keys[i]->text;
        if (strcmp(key, a) != 0 && strcmp(key, b) != 0) {
            errors_set(error, ERROR_CONFIG, "line %d: '%s' has an unknown key '%s'; it knows '%s' and '%s'",
                       node->keys[i]->line, what, key, a, b);
            return false;
        }
    }
    return true;
}

static int severity_index(const char *name)
{
    for (int i = 0; i < SEVERITIES; i++)
        if (g_ascii_strcasecmp(severity_names[i], name) == 0)
            return i;
    return -1;
}

static bool read_map(struct label_rules *rules, const struct yaml_node *map, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(default_words); i++)
        g_hash_table_insert(rules->words, g_strdup(default_words[i].word),
                            (void *)severity_names[default_words[i].severity]);
    for (size_t i = 0; map && i < map->count; i++) {
        int severity = map->kind == YAML_MAP ? severity_index(map->keys[i]->text) : -1;
        const struct yaml_node *words = map->items[i];
        if (severity < 0 || words->kind != YAML_LIST) {
            errors_set(error, ERROR_CONFIG,
                       "line %d: 'severities.map' must be SEV1, SEV2, SEV3, SEV4, each with a list of words",
                       words->line);
            return false;
        }
        for (size_t j = 0; j < words->count; j++)
            if (words->items[j]->text)
                g_hash_table_replace(rules->words, g_utf8_strdown(words->items[j]->text, -1),
                                     (void *)severity_names[severity]);
    }
    return true;
}

struct label_rules *label_rules_new(const struct config *config, GError **error)
{
    const struct yaml_node *severities = config_tree(config, "severities"), *labels = config_tree(config, "labels");
    struct label_rules *rules = g_new0(struct label_rules, 1);
    rules->words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (check_keys(severities, "severities", "from", "map", error) &&
        check_keys(labels, "labels", "service", "team", error) &&
        (rules->severity_labels =
             read_names(yaml_get(severities, "from"), "severities.from", default_severity_labels, error)) &&
        (rules->service_labels =
             read_names(yaml_get(labels, "service"), "labels.service", default_service_labels, error)) &&
        (rules->team_labels = read_names(yaml_get(labels, "team"), "labels.team", default_team_labels, error)) &&
        read_map(rules, yaml_get(severities, "map"), error))
        return rules;
    label_rules_free(rules);
    return NULL;
}

void label_rules_free(struct label_rules *rules)
{
    if (!rules)
        return;
    g_clear_pointer(&rules->severity_labels, g_ptr_array_unref);
    g_clear_pointer(&rules->service_labels, g_ptr_array_unref);
    g_clear_pointer(&rules->team_labels, g_ptr_array_unref);
    g_hash_table_unref(rules->words);
    g_free(rules);
}

static const char *word_severity(const struct label_rules *rules, const char *word)
{
    if (!word || strlen(word) > 100)
        return NULL;
    g_autofree char *lower = g_utf8_strdown(word, -1);
    return g_hash_table_lookup(rules->words, g_strstrip(lower));
}

static const char *first_label(const GPtrArray *names, const json_t *labels)
{
    for (size_t i = 0; i < names->len; i++) {
        const char *value = json_get_string(labels, names->pdata[i], NULL);
        if (value && *value)
            return value;
    }
    return NULL;
}

static const char *labels_severity(const struct label_rules *rules, const json_t *labels)
{
    const char *found = NULL;
    for (size_t i = 0; !found && i < rules->severity_labels->len; i++)
        found = word_severity(rules, json_get_string(labels, rules->severity_labels->pdata[i], NULL));
    return found;
}

static const char *worst_severity(const struct label_rules *rules, const json_t *alerts)
{
    const char *worst = NULL;
    size_t i;
    json_t *alert;
    json_array_foreach ((json_t *)alerts, i, alert) {
        bool fires = g_strcmp0(json_get_string(alert, "status", NULL), "resolved") != 0;
        const char *own = fires ? labels_severity(rules, json_object_get(alert, "labels")) : NULL;
        if (own && (!worst || strcmp(own, worst) < 0)) /* SEV1 before SEV2 */
            worst = own;
    }
    return worst;
}

const char *label_rules_severity(const struct label_rules *rules, const json_t *labels, const json_t *alerts,
                                 const char *given, bool is_explicit)
{
    const char *own = word_severity(rules, given);
    const char *found = is_explicit ? own : NULL;
    found = found ? found : labels_severity(rules, labels);
    found = found ? found : worst_severity(rules, alerts);
    return found ? found : own;
}

const char *label_rules_service(const struct label_rules *rules, const json_t *labels)
{
    return first_label(rules->service_labels, labels);
}

const char *label_rules_team(const struct label_rules *rules, const json_t *labels)
{
    return first_label(rules->team_labels, labels);
}
