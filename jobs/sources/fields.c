#include "jobs/sources/fields.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/limits.h"
#include <string.h>

/* Cuts at a character's boundary; the copy has no control characters. */
static char *clean(const char *text, size_t max_bytes)
{
    const char *end = text + strnlen(text, max_bytes);
    if (*end)
        end = g_utf8_find_prev_char(text, end + 1);
    char *copy = g_strndup(text, end ? (gsize)(end - text) : 0);
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    return g_strstrip(copy);
}

json_t *fields_line(const char *text)
{
    if (!text)
        return json_null();
    g_autofree char *line = clean(text, (size_t)LIMIT_TITLE_CHARS * 4);
    if (g_utf8_strlen(line, -1) > LIMIT_TITLE_CHARS)
        *g_utf8_offset_to_pointer(line, LIMIT_TITLE_CHARS) = '\0';
    return *line ? json_string(line) : json_null();
}

void fields_label_set(json_t *labels, const char *name, const char *value)
{
    if (!*name || json_object_size(labels) >= LIMIT_LABELS_PER_ALERT || json_object_get(labels, name))
        return;
    g_autofree char *text = clean(value, LIMIT_LABEL_VALUE_BYTES);
    json_object_set_new(labels, name, json_string(text));
}

json_t *fields_labels(const json_t *object)
{
    json_t *labels = json_object();
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)object, name, value) {
        if (json_is_object(value) || json_is_array(value) || json_is_null(value))
            continue;
        g_autofree char *text = json_scalar_text(value);
        fields_label_set(labels, name, text);
    }
    return labels;
}

json_t *fields_time(const json_t *object, const char *key)
{
    const char *text = json_get_string(object, key, NULL);
    int64_t ms = 0;
    if (!text || g_str_has_prefix(text, "0001-") || !clock_parse(text, &ms, NULL) || ms <= 0)
        return json_null();
    return json_integer(ms);
}

static bool fires(const json_t *alert)
{
    return g_strcmp0(json_get_string(alert, "status", NULL), "firing") == 0;
}

static void keep_common(json_t *common, const json_t *labels)
{
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe (common, next, name, value) {
        if (!json_equal(value, json_object_get(labels, name)))
            json_object_del(common, name);
    }
}

json_t *fields_common_labels(const json_t *alerts)
{
    json_t *common = NULL;
    size_t i;
    json_t *alert;
    bool any_fires = false;
    json_array_foreach ((json_t *)alerts, i, alert)
        any_fires = any_fires || fires(alert);
    json_array_foreach ((json_t *)alerts, i, alert) {
        if (any_fires && !fires(alert))
            continue;
        const json_t *labels = json_object_get(alert, "labels");
        if (!common)
            common = json_is_object(labels) ? json_copy((json_t *)labels) : json_object();
        else
            keep_common(common, labels);
    }
    return common ? common : json_object();
}

char *fields_key(const char *text)
{
    size_t length = strlen(text);
    return length <= 200 ? g_strdup(text) : crypto_sha256_hex(text, length);
}
