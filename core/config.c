/* config: file, environment and flags over one table of keys. Knows no key's meaning beyond its type. */
#include "core/config.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/finding.h"
#include <errno.h>
#include <string.h>

const struct config_key config_keys[] = {
#define X(name, type, fallback, allowed, help) {name, CONFIG_##type, fallback, allowed, help},
#include "core/config_keys.def"
#undef X
    {0},
};

enum { KEY_COUNT = G_N_ELEMENTS(config_keys) - 1 };

struct value {
    char *text;      /* NULL = unset */
    int64_t integer; /* also boolean and milliseconds */
    char **list;
};

struct config {
    char *file;
    struct yaml_document *document; /* NULL: no file */
    struct value values[KEY_COUNT];
};

/* While loading: where the problems go. */
struct reading {
    struct config *config;
    GString *problems;
};

static void problem(struct reading *reading, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void problem(struct reading *reading, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (reading->problems->len > 0)
        g_string_append_c(reading->problems, '\n');
    g_string_append_vprintf(reading->problems, format, arguments);
    va_end(arguments);
}

/* Names */

char *config_flag_name(const struct config_key *key)
{
    return key->type == CONFIG_TREE ? NULL : g_strdelimit(g_strdup(key->name), "._", '-');
}

char *config_env_name(const struct config_key *key)
{
    if (key->type == CONFIG_TREE)
        return NULL;
    g_autofree char *upper = g_ascii_strup(key->name, -1);
    return g_strconcat("HIKESHI_", g_strdelimit(upper, ".-", '_'), NULL);
}

static int key_index(const char *name)
{
    for (int i = 0; i < KEY_COUNT; i++)
        if (strcmp(config_keys[i].name, name) == 0)
            return i;
    return -1;
}

/* Values */

static bool allowed_string(const char *allowed, const char *text)
{
    g_auto(GStrv) words = g_strsplit(allowed, "|", -1);
    return g_strv_contains((const char *const *)words, text);
}

static bool parse_integer(const struct config_key *key, const char *text, int64_t *ret, GError **error)
{
    int64_t minimum = INT64_MIN, maximum = INT64_MAX;
    if (key->allowed != NULL) {
        minimum = g_ascii_strtoll(key->allowed, NULL, 10);
        maximum = g_ascii_strtoll(strstr(key->allowed, "..") + 2, NULL, 10);
    }
    gint64 number;
    if (g_ascii_string_to_signed(text, 10, minimum, maximum, &number, NULL)) {
        *ret = number;
        return true;
    }
    errors_set(error, ERROR_CONFIG, "not an integer%s%s: '%s'", key->allowed != NULL ? " in " : "",
               key->allowed != NULL ? key->allowed : "", text);
    return false;
}

static bool parse_bool(const char *text, int64_t *ret, GError **error)
{
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0) {
        errors_set(error, ERROR_CONFIG, "neither true nor false: '%s'", text);
        return false;
    }
    *ret = yes;
    return true;
}

static char **split_list(const char *text)
{
    if (*text == '\0')
        return g_new0(char *, 1);
    char **list = g_strsplit(text, ",", -1);
    for (char **item = list; *item != NULL; item++)
        g_strstrip(*item);
    return list;
}

static void value_clear(struct value *value)
{
    g_free(value->text);
    g_strfreev(value->list);
    *value = (struct value){0};
}

/* Sets a key from text, the form that defaults, environment and flags share. */
static bool set_text(struct config *config, int index, const char *text, GError **error)
{
    const struct config_key *key = &config_keys[index];
    struct value value = {0};
    bool fine = true;
    switch (key->type) {
    case CONFIG_STRING:
        fine = key->allowed == NULL || allowed_string(key->allowed, text);
        if (!fine)
            errors_set(error, ERROR_CONFIG, "not one of %s: '%s'", key->allowed, text);
        break;
    case CONFIG_INTEGER:
        fine = parse_integer(key, text, &value.integer, error);
        break;
    case CONFIG_BOOL:
        fine = parse_bool(text, &value.integer, error);
        break;
    case CONFIG_DURATION:
        fine = clock_duration_parse(text, &value.integer, error);
        break;
    case CONFIG_LIST:
        value.list = split_list(text);
        break;
    case CONFIG_TREE:
        fine = false;
        errors_set(error, ERROR_CONFIG, "can only be set in the configuration file");
        break;
    }
    if (!fine)
        return false;
    value.text = g_strdup(text);
    value_clear(&config->values[index]);
    config->values[index] = value;
    return true;
}

/* The file */

static const char *const wanted_of[] = {
    [CONFIG_STRING] = "text",          [CONFIG_INTEGER] = "an integer",
    [CONFIG_BOOL] = "true or false",   [CONFIG_DURATION] = "a duration such as 30s",
    [CONFIG_LIST] = "a list of texts", [CONFIG_TREE] = "a map",
};

static bool kind_fits(enum config_type type, const struct yaml_node *node)
{
    bool scalar = node->kind != YAML_LIST && node->kind != YAML_MAP;
    switch (type) {
    case CONFIG_INTEGER:
        return node->kind == YAML_INTEGER;
    case CONFIG_BOOL:
        return node->kind == YAML_BOOL;
    case CONFIG_DURATION:
        return node->kind == YAML_STRING || node->kind == YAML_INTEGER;
    case CONFIG_TREE:
        return node->kind == YAML_MAP;
    case CONFIG_LIST:
        for (size_t i = 0; node->kind == YAML_LIST && i < node->count; i++)
            if (node->items[i]->kind == YAML_LIST || node->items[i]->kind == YAML_MAP)
                return false;
        return node->kind == YAML_LIST || scalar;
    default:
        return scalar;
    }
}

static void set_list_node(struct value *value, const struct yaml_node *node)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    for (size_t i = 0; i < node->count; i++)
        g_ptr_array_add(list, g_strdup(node->items[i]->text));
    g_ptr_array_add(list, NULL);
    value_clear(value);
    value->text = g_strdup("");
    value->list = (char **)g_ptr_array_steal(list, NULL);
}

static void set_node(struct reading *reading, int index, const struct yaml_node *node)
{
    const struct config_key *key = &config_keys[index];
    const char *file = reading->config->file;
    if (node->kind == YAML_NULL)
        return; /* "key:" alone leaves the default */
    if (!kind_fits(key->type, node)) {
        problem(reading, "%s:%d:%d: '%s' must be %s, found %s", file, node->line, node->column, key->name,
                wanted_of[key->type], yaml_kind_name(node->kind));
        return;
    }
    if (key->type == CONFIG_TREE)
        return; /* its owner reads it */
    if (node->kind == YAML_LIST) {
        set_list_node(&reading->config->values[index], node);
        return;
    }
    /* YAML writes True and TRUE too */
    const char *text = key->type == CONFIG_BOOL ? (node->boolean ? "true" : "false") : node->text;
    g_autoptr(GError) error = NULL;
    if (!set_text(reading->config, index, text, &error))
        problem(reading, "%s:%d:%d: '%s': %s", file, node->line, node->column, key->name, error->message);
}

/* The part of `name` that comes after `prefix` and before the next dot, or NULL when it is not below `prefix`. */
static char *child_name(const char *name, const char *prefix)
{
    if (!g_str_has_prefix(name, prefix))
        return NULL;
    name += strlen(prefix);
    return g_strndup(name, strcspn(name, "."));
}

static bool is_section(const char *path)
{
    g_autofree char *prefix = g_strconcat(path, ".", NULL);
    for (int i = 0; i < KEY_COUNT; i++)
        if (g_str_has_prefix(config_keys[i].name, prefix))
            return true;
    return false;
}

static void unknown_key(struct reading *reading, const char *prefix, const struct yaml_node *key)
{
    g_autoptr(GPtrArray) candidates = g_ptr_array_new_with_free_func(g_free);
    for (int i = 0; i < KEY_COUNT; i++) {
        char *name = child_name(config_keys[i].name, prefix);
        if (name != NULL)
            g_ptr_array_add(candidates, name);
    }
    g_ptr_array_add(candidates, NULL);
    const char *nearest = finding_nearest(key->text, (const char *const *)candidates->pdata);
    problem(reading, "%s:%d:%d: unknown key '%s%s'%s%s%s", reading->config->file, key->line, key->column, prefix,
            key->text, nearest != NULL ? " (did you mean '" : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "'?)" : "");
}

static void read_map(struct reading *reading, const char *prefix, const struct yaml_node *map)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *key = map->keys[i], *value = map->items[i];
        g_autofree char *path = g_strconcat(prefix, key->text, NULL);
        int index = strchr(key->text, '.') == NULL ? key_index(path) : -1;
        if (index >= 0) {
            set_node(reading, index, value);
        } else if (strchr(key->text, '.') != NULL || !is_section(path)) {
            unknown_key(reading, prefix, key);
        } else if (value->kind == YAML_MAP) {
            g_autofree char *below = g_strconcat(path, ".", NULL);
            read_map(reading, below, value);
        } else if (value->kind != YAML_NULL) {
            problem(reading, "%s:%d:%d: '%s' must be a map, found %s", reading->config->file, value->line,
                    value->column, path, yaml_kind_name(value->kind));
        }
    }
}

static void read_file(struct reading *reading, const char *path)
{
    struct config *config = reading->config;
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) error = NULL;
    bool optional = path == NULL;
    config->file = g_strdup(optional ? "hikeshi.yaml" : path);
    if (!g_file_get_contents(config->file, &text, &length, &error)) {
        if (optional && g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            g_free(config->file);
            config->file = g_strdup("(defaults)");
        } else {
            problem(reading, "cannot read '%s': %s", config->file, error->message);
        }
        return;
    }
    config->document = yaml_parse(text, length, config->file, 0, &error);
    if (config->document == NULL) {
        problem(reading, "%s", error->message);
        return;
    }
    const struct yaml_node *root = yaml_root(config->document);
    if (root->kind == YAML_MAP)
        read_map(reading, "", root);
    else if (root->kind != YAML_NULL)
        problem(reading, "%s:%d:%d: must be a map of keys, found %s", config->file, root->line, root->column,
                yaml_kind_name(root->kind));
}

/* Defaults, environment, flags */

static void read_defaults(struct reading *reading)
{
    for (int i = 0; i < KEY_COUNT; i++)
        if (config_keys[i].fallback != NULL && !set_text(reading->config, i, config_keys[i].fallback, NULL))
            g_error("config: the default of '%s' is not valid", config_keys[i].name);
}

static void read_environment(struct reading *reading)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        g_autofree char *name = config_env_name(&config_keys[i]);
        const char *text = name != NULL ? g_getenv(name) : NULL;
        g_autoptr(GError) error = NULL;
        /* An empty variable is how unit files and compose files say "unset". */
        if (text != NULL && *text != '\0' && !set_text(reading->config, i, text, &error))
            problem(reading, "%s: %s", name, error->message);
    }
}

static int flag_index(const char *name)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        g_autofree char *flag = config_flag_name(&config_keys[i]);
        if (strcmp(config_keys[i].name, name) == 0 || (flag != NULL && strcmp(flag, name) == 0))
            return i;
    }
    return -1;
}

static void read_flag(struct reading *reading, const char *flag)
{
    const char *equals = strchr(flag, '=');
    g_autofree char *name = equals != NULL ? g_strndup(flag, (size_t)(equals - flag)) : g_strdup(flag);
    int index = flag_index(name);
    g_autoptr(GError) error = NULL;
    if (index < 0)
        problem(reading, "--%s: there is no such key", name);
    else if (equals == NULL && config_keys[index].type != CONFIG_BOOL)
        problem(reading, "--%s: needs a value", name);
    else if (!set_text(reading->config, index, equals != NULL ? equals + 1 : "true", &error))
        problem(reading, "--%s: %s", name, error->message);
}

struct config *config_load(const char *path, const char *const *flags, GError **error)
{
    g_autoptr(config_t) config = g_new0(struct config, 1);
    struct reading reading = {config, g_string_new(NULL)};
    read_defaults(&reading);
    read_file(&reading, path);
    read_environment(&reading);
    for (; flags != NULL && *flags != NULL; flags++)
        read_flag(&reading, *flags);
    g_autofree char *problems = g_string_free(reading.problems, FALSE);
    if (*problems != '\0') {
        errors_set(error, ERROR_CONFIG, "%s", problems);
        return NULL;
    }
    return g_steal_pointer(&config);
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (int i = 0; i < KEY_COUNT; i++)
        value_clear(&config->values[i]);
    yaml_document_free(config->document);
    g_free(config->file);
    g_free(config);
}

const char *config_file(const struct config *config)
{
    return config->file;
}

/* Reading. A key or type that the table does not have is a defect of the caller. */

static const struct value *value_of(const struct config *config, const char *key, enum config_type type)
{
    int index = key_index(key);
    if (index < 0 || config_keys[index].type != type)
        g_error("config: '%s' is not a key of this type", key);
    return &config->values[index];
}

const char *config_string(const struct config *config, const char *key)
{
    return value_of(config, key, CONFIG_STRING)->text;
}

int64_t config_integer(const struct config *config, const char *key)
{
    return value_of(config, key, CONFIG_INTEGER)->integer;
}

bool config_bool(const struct config *config, const char *key)
{
    return value_of(config, key, CONFIG_BOOL)->integer != 0;
}

int64_t config_duration_ms(const struct config *config, const char *key)
{
    return value_of(config, key, CONFIG_DURATION)->integer;
}

const char *const *config_list(const struct config *config, const char *key)
{
    static const char *const none[] = {NULL};
    char **list = value_of(config, key, CONFIG_LIST)->list;
    return list != NULL ? (const char *const *)list : none;
}

const struct yaml_node *config_tree(const struct config *config, const char *key)
{
    const struct yaml_node *node = config->document != NULL ? yaml_root(config->document) : NULL;
    g_auto(GStrv) parts = g_strsplit(key, ".", -1);
    for (char **part = parts; node != NULL && *part != NULL; part++)
        node = yaml_get(node, *part);
    return node != NULL && node->kind != YAML_NULL ? node : NULL;
}
