/* source: the table of senders, and the configured sources. Refuses to know any sender's format. */
#include "jobs/source.h"
#include "core/errors.h"
#include "core/finding.h"
#include "jobs/sources/sources.h"
#include <string.h>

const struct source_kind *const source_kinds[] = {
    &source_pagerduty,
    &source_alertmanager,
    NULL,
};

const struct source_kind *source_kind_by_name(const char *name)
{
    for (const struct source_kind *const *kind = source_kinds; *kind; kind++)
        if (strcmp((*kind)->name, name) == 0)
            return *kind;
    return NULL;
}

void source_reading_clear(struct source_reading *reading)
{
    json_decref(reading->update);
    g_free(reading->event);
    g_free(reading->event_key);
    g_free(reading->note);
    *reading = (struct source_reading){0};
}

void source_free(struct source *source)
{
    if (!source)
        return;
    if (source->settings)
        source->kind->settings_free(source->settings);
    g_free(source->name);
    g_free(source);
}

/* Names stand in paths (/hooks/NAME) and in keys that are joined with colons. */
static bool name_is_valid(const char *name)
{
    return *name && strlen(name) <= 64 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name);
}

static const struct source_kind *kind_of(const char *name, const struct yaml_node *node, GError **error)
{
    const struct yaml_node *value = yaml_get(node, "kind");
    const struct source_kind *kind = value && value->kind == YAML_STRING ? source_kind_by_name(value->text) : NULL;
    if (kind)
        return kind;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (const struct source_kind *const *each = source_kinds; *each; each++)
        g_ptr_array_add(names, (void *)(*each)->name);
    g_ptr_array_add(names, NULL);
    g_autofree char *all = g_strjoinv(", ", (char **)names->pdata);
    errors_set(error, ERROR_CONFIG, "line %d: source '%s' %s%s%s; the kinds are %s", value ? value->line : node->line,
               name, value ? "is of an unknown kind '" : "has no kind", value && value->text ? value->text : "",
               value ? "'" : "", all);
    return NULL;
}

static struct source *configure_one(const struct yaml_node *key, const struct yaml_node *node, GError **error)
{
    if (!name_is_valid(key->text)) {
        errors_set(error, ERROR_CONFIG, "line %d: source name '%s' must consist of a-z, 0-9, _ and -", key->line,
                   key->text);
        return NULL;
    }
    if (strcmp(key->text, SOURCE_RUNBOOK) == 0) {
        errors_set(error, ERROR_CONFIG, "line %d: the source name 'runbook' is that of incidents which runbooks open",
                   key->line);
        return NULL;
    }
    if (node->kind != YAML_MAP) {
        errors_set(error, ERROR_CONFIG, "line %d: source '%s' must be a map with a kind", node->line, key->text);
        return NULL;
    }
    const struct source_kind *kind = kind_of(key->text, node, error);
    const struct yaml_node *enabled = yaml_get(node, "enabled");
    if (!kind)
        return NULL;
    if (enabled && enabled->kind != YAML_BOOL) {
        errors_set(error, ERROR_CONFIG, "line %d: source '%s': 'enabled' must be true or false", enabled->line,
                   key->text);
        return NULL;
    }
    g_autofree char *owner = g_strdup_printf("source '%s'", key->text);
    void *settings = kind->configure(owner, node, error);
    if (!settings)
        return NULL;
    struct source *source = g_new0(struct source, 1);
    source->kind = kind;
    source->name = g_strdup(key->text);
    source->enabled = !enabled || enabled->boolean;
    source->settings = settings;
    return source;
}

struct source *source_new_runbook(void)
{
    struct source *source = g_new0(struct source, 1);
    source->kind = &source_runbook;
    source->name = g_strdup(SOURCE_RUNBOOK);
    return source;
}

GPtrArray *sources_configure(const struct yaml_node *tree, GError **error)
{
    g_autoptr(GPtrArray) sources = g_ptr_array_new_with_free_func((GDestroyNotify)source_free);
    g_autoptr(GString) problems = g_string_new(NULL);
    if (!tree || tree->kind == YAML_NULL)
        return g_steal_pointer(&sources);
    if (tree->kind != YAML_MAP) {
        errors_set(error, ERROR_CONFIG, "line %d: 'sources' must be a map of names", tree->line);
        return NULL;
    }
    const struct yaml_node *key, *node;
    yaml_foreach (tree, i, key, node) {
        g_autoptr(GError) problem = NULL;
        struct source *source = configure_one(key, node, &problem);
        if (source)
            g_ptr_array_add(sources, source);
        else
            g_string_append_printf(problems, "%s%s", problems->len ? "\n" : "", problem->message);
    }
    if (problems->len) {
        errors_set(error, ERROR_CONFIG, "%s", problems->str);
        return NULL;
    }
    return g_steal_pointer(&sources);
}
