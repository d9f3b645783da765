/* yaml_write: see the header. Whatever could be read as something else than the text it is stands in double quotes. */
#include "core/yaml_write.h"
#include <string.h>

enum { INDENT = 2, FLOW_WIDTH = 100 };

/* ---- scalars ---- */

/* Words that YAML 1.1 or 1.2 readers take for something other than text. */
static const char *const other_words[] = {"",   "~",   "null", "true", "false", "yes",  "no",
                                          "on", "off", "y",    "n",    ".inf",  ".nan", NULL};

/* Text that means itself without quotes, in a flow collection too. */
static bool is_plain(const char *text)
{
    g_autofree char *lower = g_ascii_strdown(text, -1);
    if (g_strv_contains(other_words, lower))
        return false;
    if (!g_ascii_isalpha(*text) && *text != '/' && *text != '_' && !(*text == '-' && g_ascii_isalpha(text[1])) &&
        !g_str_has_prefix(text, "./"))
        return false; /* numbers, dates, indicators */
    for (const char *at = text; *at; at++)
        if (!g_ascii_isalnum(*at) && strchr("/_-.+=@%", *at) == NULL && !(*at == ' ' && at[1] && at[1] != ' '))
            return false;
    return true;
}

static void append_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *at = text; *at;) {
        gunichar c = g_utf8_get_char(at);
        const char *next = g_utf8_next_char(at);
        if (c == '"' || c == '\\')
            g_string_append_printf(out, "\\%c", (char)c);
        else if (c == '\n')
            g_string_append(out, "\\n");
        else if (c == '\t')
            g_string_append(out, "\\t");
        else if (c < 0x20 || c == 0x7f)
            g_string_append_printf(out, "\\x%02x", (unsigned)c);
        else if ((c >= 0x80 && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff)
            g_string_append_printf(out, "\\u%04x", (unsigned)c);
        else
            g_string_append_len(out, at, next - at);
        at = next;
    }
    g_string_append_c(out, '"');
}

/* NUL becomes U+FFFD, as bytes that are no UTF-8 do: YAML has no way to hold it. */
static void append_text(GString *out, const char *text, size_t length)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
    if (is_plain(valid))
        g_string_append(out, valid);
    else
        append_quoted(out, valid);
}

static void append_scalar(GString *out, const json_t *value)
{
    if (json_is_string(value)) {
        append_text(out, json_string_value(value), json_string_length(value));
        return;
    }
    g_autofree char *text = json_is_null(value) ? g_strdup("null") : json_scalar_text(value);
    g_string_append(out, text);
}

/* ---- flow ---- */

static void append_flow(GString *out, const json_t *value)
{
    const char *key, *comma = "";
    json_t *item;
    size_t i;
    if (json_is_array(value)) {
        g_string_append_c(out, '[');
        json_array_foreach (value, i, item) {
            g_string_append(out, comma);
            append_flow(out, item);
            comma = ", ";
        }
        g_string_append_c(out, ']');
    } else if (json_is_object(value)) {
        g_string_append_c(out, '{');
        json_object_foreach ((json_t *)value, key, item) {
            g_string_append(out, comma);
            append_text(out, key, strlen(key));
            g_string_append(out, ": ");
            append_flow(out, item);
            comma = ", ";
        }
        g_string_append_c(out, '}');
    } else {
        append_scalar(out, value);
    }
}

char *yaml_write_flow(const json_t *value)
{
    GString *out = g_string_new(NULL);
    append_flow(out, value);
    return g_string_free(out, FALSE);
}

/* ---- block ---- */

static void append_block(GString *out, const json_t *value, int indent);

/* Lines that a literal block keeps exactly: no line begins with a blank (the first would set the indent), nothing but
 * text and tabs behind it, and one newline at the end. */
static bool is_literal(const json_t *value)
{
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (text == NULL || length < 2 || memchr(text, '\0', length) || text[length - 1] != '\n' ||
        text[length - 2] == '\n' || !memchr(text, '\n', length - 1) || !g_utf8_validate(text, (gssize)length, NULL))
        return false;
    if (*text == ' ' || *text == '\t' || *text == '\n')
        return false;
    for (const char *at = text; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if ((c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
            c == 0xfeff)
            return false;
    }
    return true;
}

static void append_literal(GString *out, const char *text, int indent)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_string_append(out, " |\n");
    for (char **line = lines; *line && (line[1] || **line); line++) {
        if (**line)
            g_string_append_printf(out, "%*s%s", indent, "", *line);
        g_string_append_c(out, '\n');
    }
}

/* Everything but what is in rows of its own. */
static bool fits_flow(const json_t *value, int indent)
{
    const char *key;
    json_t *item;
    size_t i;
    json_array_foreach (value, i, item)
        if (json_is_object(item) || json_is_array(item))
            return false;
    json_object_foreach ((json_t *)value, key, item)
        if (((json_is_object(item) || json_is_array(item)) && json_object_size(item) + json_array_size(item) > 0) ||
            is_literal(item))
            return false;
    g_autofree char *flow = yaml_write_flow(value);
    return (int)strlen(flow) + indent < FLOW_WIDTH;
}

/* What stands behind "key:" or "-". */
static void append_member(GString *out, const json_t *value, int indent)
{
    if (is_literal(value)) {
        append_literal(out, json_string_value(value), indent);
    } else if ((json_is_object(value) || json_is_array(value)) && !fits_flow(value, indent)) {
        g_string_append_c(out, '\n');
        append_block(out, value, indent);
    } else {
        g_string_append_c(out, ' ');
        append_flow(out, value);
        g_string_append_c(out, '\n');
    }
}

/* "- " and the first key of a map share a line. */
static void append_item(GString *out, const json_t *item, int indent)
{
    g_string_append_printf(out, "%*s-", indent, "");
    if (!json_is_object(item) || json_object_size(item) == 0 || fits_flow(item, indent)) {
        append_member(out, item, indent + INDENT);
        return;
    }
    size_t at = out->len;
    append_block(out, item, indent + INDENT);
    g_string_erase(out, (gssize)at, indent + 1);
}

static void append_block(GString *out, const json_t *value, int indent)
{
    const char *key;
    json_t *item;
    size_t i;
    json_array_foreach (value, i, item)
        append_item(out, item, indent);
    json_object_foreach ((json_t *)value, key, item) {
        g_string_append_printf(out, "%*s", indent, "");
        append_text(out, key, strlen(key));
        g_string_append_c(out, ':');
        append_member(out, item, indent + INDENT);
    }
}

char *yaml_write(const json_t *value)
{
    GString *out = g_string_new(NULL);
    if (json_object_size(value) + json_array_size(value) > 0) {
        append_block(out, value, 0);
    } else {
        append_flow(out, value);
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}
