/* field: YAML maps by tables of keys. */
#include "jobs/field.h"
#include "core/clock.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void field_error(const struct field_reader *reader, const char *rule, const struct yaml_node *at,
                 const char *suggestion, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    finding_add(reader->findings, rule, FINDING_ERROR, reader->file, at->line, at->column, suggestion, "%s", message);
}

void field_yaml_error(const struct field_reader *reader, const GError *error, int fallback_line)
{
    const char *message = error->message;
    size_t prefix = strlen(reader->file);
    int line = fallback_line, column = 1, used = 0;
    if (strncmp(message, reader->file, prefix) == 0 &&
        sscanf(message + prefix, ":%d:%d: %n", &line, &column, &used) == 2 && used)
        message += prefix + (size_t)used;
    finding_add(reader->findings, "yaml", FINDING_ERROR, reader->file, line, column, NULL, "%s", message);
}

bool field_is_name(const char *text, bool dash)
{
    if (!g_ascii_islower(*text))
        return false;
    for (const char *p = text + 1; *p; p++) {
        if (!g_ascii_islower(*p) && !g_ascii_isdigit(*p) && *p != '_' && !(dash && *p == '-'))
            return false;
    }
    return true;
}

const struct field *field_find(const struct field *fields, const char *key)
{
    for (const struct field *field = fields; field->key; field++) {
        if (strcmp(field->key, key) == 0)
            return field;
    }
    return NULL;
}

const char *field_suggest(const char *word, const struct field *fields)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    for (const struct field *field = fields; field->key; field++)
        g_ptr_array_add(keys, (char *)field->key);
    g_ptr_array_add(keys, NULL);
    const char *nearest = finding_nearest(word, (const char *const *)keys->pdata);
    return nearest;
}

static bool is_scalar(const struct yaml_node *value)
{
    return value->kind != YAML_NULL && value->kind != YAML_LIST && value->kind != YAML_MAP;
}

static bool wrong_kind(const struct field_reader *reader, const struct field *field, const struct yaml_node *value,
                       const char *wanted)
{
    field_error(reader, "bad-value", value, NULL, "'%s' must be %s, not %s%s", field->key, wanted,
                value->kind == YAML_INTEGER ? "an "
                : value->kind == YAML_NULL  ? ""
                                            : "a ",
                value->kind == YAML_NULL ? "empty" : yaml_kind_name(value->kind));
    return false;
}

static bool read_string(const struct field_reader *reader, const struct field *field, const struct yaml_node *value,
                        char **ret)
{
    if (!is_scalar(value))
        return wrong_kind(reader, field, value, "text");
    if (strlen(value->text) != value->text_length) {
        field_error(reader, "bad-value", value, NULL, "'%s' holds a NUL character", field->key);
        return false;
    }
    if (field->choices && !g_strv_contains(field->choices, value->text)) {
        g_autofree char *all = g_strjoinv(", ", (char **)field->choices);
        const char *nearest = finding_nearest(value->text, field->choices);
        field_error(reader, "bad-value", value, nearest, "'%s' must be one of %s, not '%s'", field->key, all,
                    value->text);
        return false;
    }
    g_free(*ret);
    *ret = g_strdup(value->text);
    return true;
}

static bool read_strings(const struct field_reader *reader, const struct field *field, const struct yaml_node *value,
                         char ***ret)
{
    bool list = value->kind == YAML_LIST;
    if (!list && !is_scalar(value))
        return wrong_kind(reader, field, value, "a list");
    size_t count = list ? value->count : 1;
    g_auto(GStrv) strings = g_new0(char *, count + 1);
    bool fine = true;
    for (size_t i = 0; i < count; i++) {
        strings[i] = g_strdup("");
        fine &= read_string(reader, field, list ? value->items[i] : value, &strings[i]);
    }
    g_strfreev(*ret);
    *ret = g_steal_pointer(&strings);
    return fine;
}

static bool read_integer(const struct field_reader *reader, const struct field *field, const struct yaml_node *value,
                         int64_t *ret)
{
    if (value->kind != YAML_INTEGER)
        return wrong_kind(reader, field, value, "a whole number");
    if (value->integer < field->minimum || value->integer > field->maximum) {
        field_error(reader, "bad-value", value, NULL, "'%s' must be from %" PRId64 " to %" PRId64 ", not %" PRId64,
                    field->key, field->minimum, field->maximum, value->integer);
        return false;
    }
    *ret = value->integer;
    return true;
}

static bool read_duration(const struct field_reader *reader, const struct field *field, const struct yaml_node *value,
                          int64_t *ret)
{
    if (!is_scalar(value) || value->kind == YAML_BOOL)
        return wrong_kind(reader, field, value, "a duration such as 30s or 10m");
    int64_t ms;
    if (!clock_duration_parse(value->text, &ms, NULL)) {
        field_error(reader, "bad-value", value, NULL, "'%s' must be a duration such as 30s or 10m, not '%s'",
                    field->key, value->text);
        return false;
    }
    if (ms < field->minimum || ms > field->maximum) {
        g_autofree char *low = clock_duration_format(field->minimum);
        g_autofree char *high = clock_duration_format(field->maximum);
        field_error(reader, "bad-value", value, NULL, "'%s' must be from %s to %s, not '%s'", field->key, low, high,
                    value->text);
        return false;
    }
    *ret = ms;
    return true;
}

bool field_read_value(const struct field_reader *reader, const struct field *field, const struct yaml_node *key,
                      const struct yaml_node *value, void *target)
{
    void *member = (char *)target + field->offset;
    size_t before;
    json_t **json;
    switch (field->kind) {
    case FIELD_STRING:
        return read_string(reader, field, value, member);
    case FIELD_STRINGS:
        return read_strings(reader, field, value, member);
    case FIELD_BOOL:
        if (value->kind != YAML_BOOL)
            return wrong_kind(reader, field, value, "true or false");
        *(bool *)member = value->boolean;
        return true;
    case FIELD_INTEGER:
        return read_integer(reader, field, value, member);
    case FIELD_DURATION:
        return read_duration(reader, field, value, member);
    case FIELD_JSON:
        json = member;
        json_decref(*json);
        *json = yaml_to_json(value);
        return true;
    case FIELD_READ:
        before = finding_count_level(reader->findings, FINDING_ERROR);
        field->read(reader, key, value, target);
        return finding_count_level(reader->findings, FINDING_ERROR) == before;
    case FIELD_IGNORE:
        return true;
    }
    return true;
}

static bool check_enforced(const struct field_reader *reader, const struct field *field, const struct yaml_node *key)
{
    const char *text = field->refused ? field->refused : field->not_enforced;
    if (text)
        finding_add(reader->findings, "not-enforced", field->refused ? FINDING_ERROR : FINDING_WARNING, reader->file,
                    key->line, key->column, NULL, "'%s' is not enforced by this version: %s", field->key, text);
    return !field->refused;
}

static bool check_required(const struct field_reader *reader, const struct yaml_node *map, const char *what,
                           const struct field *fields)
{
    bool fine = true;
    for (const struct field *field = fields; field->key; field++) {
        if (field->required && !yaml_get(map, field->key)) {
            field_error(reader, "missing-key", map, NULL, "%s needs the key '%s'", what, field->key);
            fine = false;
        }
    }
    return fine;
}

bool field_read_map(const struct field_reader *reader, const struct yaml_node *map, const char *what,
                    const struct field *fields, void *target)
{
    if (map->kind != YAML_MAP && map->kind != YAML_NULL) {
        field_error(reader, "bad-value", map, NULL, "%s must be a map of keys, not a %s", what,
                    yaml_kind_name(map->kind));
        return false;
    }
    bool fine = true;
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *key = map->keys[i];
        const struct field *field = field_find(fields, key->text);
        if (field) {
            /* Read it all the same: its mistakes should be told now, not with the version that enforces it. */
            bool enforced = check_enforced(reader, field, key);
            fine &= field_read_value(reader, field, key, map->items[i], target) && enforced;
        } else if (!g_str_has_prefix(key->text, "x-")) {
            field_error(reader, "unknown-key", key, field_suggest(key->text, fields), "unknown key '%s' in %s",
                        key->text, what);
            fine = false;
        }
    }
    return check_required(reader, map, what, fields) && fine;
}
