/* summary: see summary.h. Reads lines, not markdown's grammar: what it misses is a sentence that is not shown. */
#include "jobs/summary.h"
#include <glib.h>
#include <stdbool.h>
#include <string.h>

static bool is_fence(const char *line)
{
    return g_str_has_prefix(line, "```") || g_str_has_prefix(line, "~~~");
}

static bool is_prose(const char *line)
{
    return *line && !strchr("#>|<-*+=![", *line) && !g_ascii_isdigit(*line) && !is_fence(line);
}

/* The first lines of prose that stand together, joined by spaces. */
static GString *first_paragraph(char **lines)
{
    GString *text = g_string_new(NULL);
    char fence[4] = "";
    for (char **line = lines; *line; line++) {
        const char *content = g_strstrip(*line);
        if (*fence) {
            if (g_str_has_prefix(content, fence))
                *fence = '\0';
        } else if (is_fence(content)) {
            memcpy(fence, content, 3);
        } else if (text->len && !*content) {
            break;
        } else if (text->len || is_prose(content)) {
            g_string_append_printf(text, "%s%s", text->len ? " " : "", content);
        }
        if (*fence && text->len)
            break;
    }
    return text;
}

/* "see [the page](https://…) for `x`" → "see the page for x" */
static char *without_marks(const char *text)
{
    GString *plain = g_string_new(NULL);
    for (const char *p = text; *p; p++) {
        if (p[0] == ']' && p[1] == '(') {
            p += strcspn(p, ")");
            if (!*p)
                break;
        } else if (*p == '\\' && p[1]) {
            g_string_append_c(plain, *++p);
        } else if (!strchr("*`[]", *p)) {
            g_string_append_c(plain, *p);
        }
    }
    return g_string_free(plain, FALSE);
}

char *summary_of(const char *text, size_t length)
{
    g_autofree char *copy = g_strndup(text, length);
    g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
    GString *paragraph = first_paragraph(lines);
    g_autofree char *whole = g_string_free(paragraph, FALSE);
    g_autofree char *plain = without_marks(whole);
    if (!*plain)
        return NULL;
    if (g_utf8_strlen(plain, -1) <= SUMMARY_CHARACTERS)
        return g_steal_pointer(&plain);
    g_autofree char *cut = g_utf8_substring(plain, 0, SUMMARY_CHARACTERS - 1);
    return g_strconcat(cut, "…", NULL);
}
