/* settings: see settings.h. */
#include "jobs/coverage/settings.h"
#include "core/errors.h"
#include "core/finding.h"
#include "core/yaml.h"
#include <string.h>

static const char *const keys[] = {"ignore", "url_prefixes", "owner_labels", "severity_labels", "ignore_kinds", NULL};

static void pattern_free(void *data)
{
    g_pattern_spec_free(data);
}

static struct coverage_settings *defaults(void)
{
    static const char *const owner[] = {"owner", "team", "app.kubernetes.io/owner", NULL};
    static const char *const severity[] = {"severity", "sev", NULL};
    struct coverage_settings *settings = g_new0(struct coverage_settings, 1);
    settings->ignore = g_ptr_array_new_with_free_func(pattern_free);
    settings->url_prefixes = json_object();
    settings->rules.ignore_kinds = g_new0(char *, 1);
    settings->rules.owner_labels = g_strdupv((char **)owner);
    settings->rules.severity_labels = g_strdupv((char **)severity);
    return settings;
}

void coverage_settings_free(struct coverage_settings *settings)
{
    if (!settings)
        return;
    g_ptr_array_unref(settings->ignore);
    json_decref(settings->url_prefixes);
    g_strfreev(settings->rules.ignore_kinds);
    g_strfreev(settings->rules.owner_labels);
    g_strfreev(settings->rules.severity_labels);
    g_free(settings);
}

static void problem(GString *problems, const char *path, const struct yaml_node *node, const char *text)
{
    g_string_append_printf(problems, "%s%s:%d:%d: %s", problems->len ? "\n" : "", path, node->line, node->column, text);
}

/* A list of texts, or NULL with a problem said. */
static char **texts(const struct yaml_node *node, const char *path, GString *problems)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (size_t i = 0; node->kind == YAML_LIST && i < node->count; i++) {
        if (node->items[i]->kind == YAML_LIST || node->items[i]->kind == YAML_MAP)
            problem(problems, path, node->items[i], "expected a text");
        else
            g_strv_builder_add(builder, node->items[i]->text);
    }
    if (node->kind != YAML_LIST)
        problem(problems, path, node, "expected a list of texts");
    return g_strv_builder_end(builder);
}

static void read_prefixes(struct coverage_settings *settings, const struct yaml_node *node, const char *path,
                          GString *problems)
{
    if (node->kind != YAML_MAP) {
        problem(problems, path, node, "expected a map of URL beginnings to folders");
        return;
    }
    const struct yaml_node *key, *value;
    yaml_foreach (node, i, key, value) {
        if (value->kind != YAML_STRING)
            problem(problems, path, value, "expected a folder of the repository");
        else
            json_set_string(settings->url_prefixes, key->text, value->text);
    }
}

static void read_key(struct coverage_settings *settings, const struct yaml_node *key, const struct yaml_node *value,
                     const char *path, GString *problems)
{
    if (strcmp(key->text, "url_prefixes") == 0) {
        read_prefixes(settings, value, path, problems);
        return;
    }
    char **list = texts(value, path, problems);
    char ***target = strcmp(key->text, "owner_labels") == 0      ? &settings->rules.owner_labels
                     : strcmp(key->text, "severity_labels") == 0 ? &settings->rules.severity_labels
                     : strcmp(key->text, "ignore_kinds") == 0    ? &settings->rules.ignore_kinds
                                                                 : NULL;
    if (target) {
        g_strfreev(*target);
        *target = list;
        return;
    }
    for (char **glob = list; *glob; glob++)
        g_ptr_array_add(settings->ignore, g_pattern_spec_new(*glob));
    g_strfreev(list);
}

static void read_root(struct coverage_settings *settings, const struct yaml_node *root, const char *path,
                      GString *problems)
{
    if (root->kind == YAML_NULL)
        return;
    if (root->kind != YAML_MAP) {
        problem(problems, path, root, "expected a map");
        return;
    }
    const struct yaml_node *key, *value;
    yaml_foreach (root, i, key, value) {
        if (g_strv_contains(keys, key->text)) {
            read_key(settings, key, value, path, problems);
            continue;
        }
        const char *near = finding_nearest(key->text, keys);
        g_autofree char *text = near ? g_strdup_printf("unknown key '%s', did you mean '%s'?", key->text, near)
                                     : g_strdup_printf("unknown key '%s'", key->text);
        problem(problems, path, key, text);
    }
}

struct coverage_settings *coverage_settings_parse(const char *text, size_t length, const char *path, GError **error)
{
    struct coverage_settings *settings = defaults();
    g_autoptr(GString) problems = g_string_new(NULL);
    g_autoptr(GError) failure = NULL;
    g_autoptr(yaml_document) document = yaml_parse(text, length, path, 0, &failure);
    if (document)
        read_root(settings, yaml_root(document), path, problems);
    else
        g_string_append(problems, failure->message);
    if (!problems->len)
        return settings;
    errors_set(error, ERROR_CONFIG, "%s", problems->str);
    coverage_settings_free(settings);
    return NULL;
}

struct coverage_settings *coverage_settings_read(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    g_autoptr(GError) failure = NULL;
    if (!path || !g_file_test(path, G_FILE_TEST_EXISTS))
        return defaults();
    if (g_file_get_contents(path, &text, &length, &failure))
        return coverage_settings_parse(text, length, path, error);
    errors_set(error, ERROR_CONFIG, "%s", failure->message);
    return NULL;
}
