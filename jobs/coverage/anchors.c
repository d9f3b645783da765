/* anchors: see anchors.h. GitHub: lower case, punctuation dropped, spaces to hyphens, -1, -2 … for the next ones alike.
 */
#include "jobs/coverage/anchors.h"
#include <string.h>

static char *slug_of(const char *text)
{
    g_autofree char *lower = g_utf8_strdown(text, -1);
    GString *slug = g_string_new(NULL);
    for (const char *at = lower; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (c == ' ' || c == '-' || c == '_')
            g_string_append_c(slug, c == ' ' ? '-' : (char)c);
        else if (g_unichar_isalnum(c) || g_unichar_ismark(c))
            g_string_append_unichar(slug, c);
    }
    return g_string_free(slug, FALSE);
}

/* "Title {#name}" → name; NULL when it has none. g_free. */
static char *given_name(const char *heading)
{
    const char *open = g_strrstr(heading, "{#");
    size_t length = open ? strcspn(open + 2, "} ") : 0;
    return length && open[2 + length] == '}' ? g_strndup(open + 2, length) : NULL;
}

static void add_heading(GHashTable *anchors, const char *text)
{
    char *name = given_name(text);
    if (name) {
        g_hash_table_add(anchors, name);
        return;
    }
    g_autofree char *slug = slug_of(text);
    char *unique = g_strdup(slug);
    for (int n = 1; g_hash_table_contains(anchors, unique); n++) {
        g_free(unique);
        unique = g_strdup_printf("%s-%d", slug, n);
    }
    g_hash_table_add(anchors, unique);
}

/* <a name="x">, <div id='x'>: the value behind each such attribute. */
static void add_html(GHashTable *anchors, const char *html)
{
    static const char *const attributes[] = {"id=", "name="};
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++)
        for (const char *at = html; (at = strstr(at, attributes[i]));) {
            at += strlen(attributes[i]);
            bool quoted = *at == '"' || *at == '\'';
            size_t length = strcspn(at + quoted, quoted ? (*at == '"' ? "\"" : "'") : " >\t\n");
            g_hash_table_add(anchors, g_strndup(at + quoted, length));
        }
}

GHashTable *anchors_of(const struct markdown *markdown)
{
    GHashTable *anchors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < markdown->headings->len; i++)
        add_heading(anchors, ((struct markdown_heading *)markdown->headings->pdata[i])->text);
    for (guint i = 0; i < markdown->html->len; i++)
        add_html(anchors, markdown->html->pdata[i]);
    return anchors;
}
