/* filename: see filename.h. */
#include "core/filename.h"

#include <glib.h>
#include <string.h>

#define MAX_CHARACTERS 100

static bool is_plain(gunichar c)
{
    static const char refused[] = "/\\:*?\"<>|";

    if (c < 0x80 && strchr(refused, (int)c))
        return false;
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT: /* among them those that turn the direction of writing */
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_UNASSIGNED:
        return false;
    default:
        return c != 0xFFFD;
    }
}

static bool is_edge(char c)
{
    return c == '.' || c == ' ';
}

char *filename_safe(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *name = g_string_new(NULL);
    size_t count = 0;

    for (const char *at = valid; *at && count < MAX_CHARACTERS; at = g_utf8_next_char(at), count++) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(name, is_plain(c) ? c : '_');
    }
    for (size_t i = 0; i < name->len && is_edge(name->str[i]); i++)
        name->str[i] = '_';
    for (size_t i = name->len; i > 0 && is_edge(name->str[i - 1]); i--)
        name->str[i - 1] = '_';
    if (name->len == 0)
        g_string_append(name, "file");
    return g_string_free(name, FALSE);
}

bool filename_is_safe(const char *text)
{
    g_autofree char *safe = filename_safe(text);

    return strcmp(safe, text) == 0;
}
