/* settings: see settings.h. */
#include "jobs/coverage/settings.h"
#include "core/errors.h"
#include "jobs/field.h"
#include <string.h>

#define DAY_MS (24 * 60 * 60 * 1000LL)
/* A runbook that nobody looked at for half a year of changes, or that did not run in as long, is a guess. */
#define DEFAULT_AGE_MS (180 * DAY_MS)
#define MAX_AGE_MS     (3650 * DAY_MS)

static void read_prefixes(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *map,
                          void *target)
{
    (void)key;
    struct coverage_settings *settings = target;
    const struct yaml_node *prefix, *folder;
    if (map->kind != YAML_MAP) {
        field_error(reader, "bad-value", map, NULL, "'url_prefixes' must be a map of URL beginnings to folders");
        return;
    }
    yaml_foreach (map, i, prefix, folder) {
        if (folder->kind != YAML_STRING)
            field_error(reader, "bad-value", folder, NULL, "expected a folder of the repository");
        else
            json_set_string(settings->url_prefixes, prefix->text, folder->text);
    }
}

static int index_of(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static void read_findings(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *map,
                          void *target)
{
    (void)key;
    struct coverage_settings *settings = target;
    const struct yaml_node *name, *level;
    if (map->kind != YAML_MAP) {
        field_error(reader, "bad-value", map, NULL, "'findings' must be a map of findings to levels");
        return;
    }
    yaml_foreach (map, i, name, level) {
        struct field row = {name->text, FIELD_STRING, .choices = rule_levels};
        g_autofree char *text = NULL;
        int rule = index_of(rule_names, name->text);
        if (rule < 0)
            field_error(reader, "unknown-key", name, finding_nearest(name->text, rule_names),
                        "there is no finding '%s'", name->text);
        else if (level->kind == YAML_BOOL && !level->boolean) /* YAML 1.1 habits: off */
            settings->levels[rule] = RULE_OFF;
        else if (field_read_value(reader, &row, name, level, &text))
            settings->levels[rule] = index_of(rule_levels, text) - 1;
    }
}

#define AT(member) offsetof(struct coverage_settings, member)
static const struct field keys[] = {
    {"ignore", FIELD_STRINGS, .offset = AT(ignore_globs)},
    {"ignore_kinds", FIELD_STRINGS, .offset = AT(rules.ignore_kinds)},
    {"owner_labels", FIELD_STRINGS, .offset = AT(rules.owner_labels)},
    {"severity_labels", FIELD_STRINGS, .offset = AT(rules.severity_labels)},
    {"url_prefixes", FIELD_READ, .read = read_prefixes},
    {"findings", FIELD_READ, .read = read_findings},
    {"stale_after", FIELD_DURATION, .offset = AT(stale_after_ms), .minimum = 0, .maximum = MAX_AGE_MS},
    {"run_within", FIELD_DURATION, .offset = AT(run_within_ms), .minimum = 0, .maximum = MAX_AGE_MS},
    {NULL},
};

static void pattern_free(void *data)
{
    g_pattern_spec_free(data);
}

static struct coverage_settings *defaults(void)
{
    static const char *const owner[] = {"owner", "team", "app.kubernetes.io/owner", NULL};
    static const char *const severity[] = {"severity", "sev", NULL};
    struct coverage_settings *settings = g_new0(struct coverage_settings, 1);
    settings->ignore_globs = g_new0(char *, 1);
    settings->ignore = g_ptr_array_new_with_free_func(pattern_free);
    settings->url_prefixes = json_object();
    settings->rules.ignore_kinds = g_new0(char *, 1);
    settings->rules.owner_labels = g_strdupv((char **)owner);
    settings->rules.severity_labels = g_strdupv((char **)severity);
    settings->stale_after_ms = settings->run_within_ms = DEFAULT_AGE_MS;
    for (int i = 0; i < RULES; i++)
        settings->levels[i] = rule_default(i);
    return settings;
}

void coverage_settings_free(struct coverage_settings *settings)
{
    if (!settings)
        return;
    g_strfreev(settings->ignore_globs);
    g_ptr_array_unref(settings->ignore);
    json_decref(settings->url_prefixes);
    g_strfreev(settings->rules.ignore_kinds);
    g_strfreev(settings->rules.owner_labels);
    g_strfreev(settings->rules.severity_labels);
    g_free(settings);
}

static void fail(const struct finding_list *findings, GError **error)
{
    g_autoptr(GString) all = g_string_new(NULL);
    for (size_t i = 0; i < finding_count(findings); i++) {
        g_autofree char *text = finding_to_text(finding_at(findings, i));
        g_string_append_printf(all, "%s%s", i ? "\n" : "", text);
    }
    errors_set(error, ERROR_CONFIG, "%s", all->str);
}

struct coverage_settings *coverage_settings_parse(const char *text, size_t length, const char *path, GError **error)
{
    g_autoptr(coverage_settings) settings = defaults();
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(GError) failure = NULL;
    g_autoptr(yaml_document) document = yaml_parse(text, length, path, 0, &failure);
    struct field_reader reader = {path, findings, NULL};
    if (document)
        field_read_map(&reader, yaml_root(document), "this file", keys, settings);
    if (failure)
        errors_set(error, ERROR_CONFIG, "%s", failure->message);
    else if (finding_count_level(findings, FINDING_ERROR))
        fail(findings, error);
    if (failure || finding_count_level(findings, FINDING_ERROR))
        return NULL;
    for (char **glob = settings->ignore_globs; *glob; glob++)
        g_ptr_array_add(settings->ignore, g_pattern_spec_new(*glob));
    return g_steal_pointer(&settings);
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
