/* json: jansson with limits, errors that say where, dotted paths. Knows nothing of what the values mean. */
#include "core/json.h"
#include "core/errors.h"
#include "core/limits.h"
#include <string.h>

/* What is seen of a text before jansson makes values of it and recurses. Strings are skipped; malformed text is
 * jansson's to report. */
struct outline {
    int depth; /* levels of nesting */
    size_t values;
};

/* Stops where it is deeper than `most`. */
static struct outline outline_of(const char *text, size_t length, int most)
{
    struct outline outline = {0, 1};
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length && outline.depth <= most; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
            outline.depth = MAX(outline.depth, depth);
            outline.values++;
        } else if (c == ']' || c == '}') {
            depth--;
        } else if (c == ',') {
            outline.values++;
        }
    }
    return outline;
}

size_t json_values(const char *text, size_t length)
{
    return outline_of(text, length, G_MAXINT).values;
}

json_t *json_parse(const char *text, size_t length, const char *name, GError **error)
{
    if (outline_of(text, length, LIMIT_JSON_DEPTH).depth > LIMIT_JSON_DEPTH) {
        errors_set(error, ERROR_PARSE, "%s: nested deeper than %d levels", name, LIMIT_JSON_DEPTH);
        return NULL;
    }
    json_error_t problem;
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
    if (value == NULL) {
        g_autofree char *said =
            g_utf8_make_valid(problem.text, -1); /* jansson may cut a quoted excerpt inside a character */
        errors_set(error, ERROR_PARSE, "%s:%d:%d: %s", name, MAX(problem.line, 1), MAX(problem.column, 1), said);
    }
    return value;
}

static int append_bytes(const char *bytes, size_t length, void *arg)
{
    g_string_append_len(arg, bytes, (gssize)length);
    return 0;
}

/* A deep copy in which every string and key is UTF-8. */
static json_t *valid_copy(const json_t *value)
{
    if (json_is_string(value))
        return json_text_value(json_string_value(value), json_string_length(value));
    if (json_is_array(value)) {
        json_t *copy = json_array();
        size_t index;
        json_t *item;
        json_array_foreach (value, index, item)
            json_array_append_new(copy, valid_copy(item));
        return copy;
    }
    if (json_is_object(value)) {
        json_t *copy = json_object();
        const char *key;
        json_t *item;
        json_object_foreach ((json_t *)value, key, item) {
            g_autofree char *valid = g_utf8_make_valid(key, -1);
            json_object_set_new(copy, valid, valid_copy(item));
        }
        return copy;
    }
    return json_deep_copy(value);
}

static char *dump(const json_t *value, size_t flags)
{
    if (value == NULL)
        return g_strdup("null");
    flags |= JSON_SORT_KEYS | JSON_ENCODE_ANY;
    GString *text = g_string_new(NULL);
    if (json_dump_callback(value, append_bytes, text, flags) != 0) {
        g_autoptr(json_t) valid = valid_copy(value);
        g_string_truncate(text, 0);
        if (json_dump_callback(valid, append_bytes, text, flags) != 0)
            g_error("json: a value cannot be written"); /* only a cycle or lost memory remain as causes */
    }
    return g_string_free(text, FALSE);
}

char *json_text(const json_t *value)
{
    return dump(value, JSON_COMPACT);
}

char *json_text_pretty(const json_t *value)
{
    return dump(value, JSON_INDENT(2));
}

json_t *json_text_value(const char *bytes, size_t length)
{
    json_t *value = json_stringn(bytes, length);
    if (value != NULL)
        return value;
    /* g_utf8_make_valid would stop at the first NUL's end when given -1; with a length it treats NUL as invalid. */
    GString *valid = g_string_sized_new(length + 16);
    for (const char *at = bytes, *end = bytes + length; at < end;) {
        gunichar c = g_utf8_get_char_validated(at, end - at);
        if (*at == '\0' || (c != (gunichar)-1 && c != (gunichar)-2)) {
            size_t size = *at == '\0' ? 1 : (size_t)(g_utf8_next_char(at) - at);
            g_string_append_len(valid, at, (gssize)size);
            at += size;
        } else {
            g_string_append(valid, "\xEF\xBF\xBD");
            at++;
        }
    }
    value = json_stringn(valid->str, valid->len);
    g_string_free(valid, TRUE);
    g_assert(value != NULL);
    return value;
}

json_t *json_path(const json_t *value, const char *path)
{
    const char *dot = strchr(path, '.');
    if (dot != NULL) {
        g_autofree char *key = g_strndup(path, (size_t)(dot - path));
        json_t *found = json_path(json_object_get(value, key), dot + 1);
        if (found != NULL)
            return found;
    }
    json_t *found = json_object_get(value, path); /* label names may hold dots themselves */
    return json_is_null(found) ? NULL : found;
}

const char *json_path_string(const json_t *value, const char *path)
{
    return json_string_value(json_path(value, path));
}

json_t *json_find(const json_t *array, const char *key, const char *text)
{
    size_t index;
    json_t *object;
    json_array_foreach (array, index, object) {
        const char *found = json_get_string(object, key, NULL);
        if (found != NULL && text != NULL && strcmp(found, text) == 0)
            return object;
    }
    return NULL;
}

const char *json_get_string(const json_t *object, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : fallback;
}

json_int_t json_get_integer(const json_t *object, const char *key, json_int_t fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool json_get_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

void json_set_string(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, text != NULL ? json_text_value(text, strlen(text)) : json_null());
}

/* The shortest digits that read back as the same number, with a point or an exponent: it stays a real. */
static char *real_text(double value)
{
    static const char *const formats[] = {"%.15g", "%.16g", "%.17g"};
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_ascii_formatd(text, sizeof text, formats[i], value);
        if (g_ascii_strtod(text, NULL) == value)
            break;
    }
    return g_strconcat(text, strpbrk(text, ".e") ? "" : ".0", NULL);
}

char *json_scalar_text(const json_t *value)
{
    if (json_is_real(value))
        return real_text(json_real_value(value));
    if (json_is_string(value))
        return g_strdup(json_string_value(value));
    if (value == NULL || json_is_null(value))
        return g_strdup("");
    return json_text(value);
}
