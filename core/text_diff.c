/* text_diff: the longest common subsequence of lines, by the usual table. */
#include "core/text_diff.h"
#include <glib.h>
#include <string.h>

/* The table has a cell for each pair of lines; above this all of `before` goes and all of `after` comes. */
enum { MAX_CELLS = 4 * 1000 * 1000 };

static char **lines_of(const char *text, size_t *ret_count)
{
    char **lines = g_strsplit(text, "\n", -1);
    size_t count = g_strv_length(lines);
    if (count > 0 && *lines[count - 1] == '\0') /* behind the last newline */
        g_clear_pointer(&lines[--count], g_free);
    *ret_count = count;
    return lines;
}

static void append(GString *out, char mark, const char *line)
{
    g_string_append_printf(out, "%c %s\n", mark, line);
}

/* common[i * (after + 1) + k]: how many lines before[i…] and after[k…] share in order. */
static guint16 *common_lines(char **before, size_t before_count, char **after, size_t after_count)
{
    size_t width = after_count + 1;
    guint16 *common = g_new0(guint16, (before_count + 1) * width);
    for (size_t i = before_count; i-- > 0;)
        for (size_t k = after_count; k-- > 0;)
            common[i * width + k] = strcmp(before[i], after[k]) == 0
                                        ? (guint16)(common[(i + 1) * width + k + 1] + 1)
                                        : MAX(common[(i + 1) * width + k], common[i * width + k + 1]);
    return common;
}

static void walk(GString *out, char **before, size_t before_count, char **after, size_t after_count)
{
    g_autofree guint16 *common = common_lines(before, before_count, after, after_count);
    size_t width = after_count + 1, i = 0, k = 0;
    while (i < before_count || k < after_count) {
        if (i < before_count && k < after_count && strcmp(before[i], after[k]) == 0) {
            append(out, ' ', before[i]);
            i++, k++;
        } else if (i < before_count && (k == after_count || common[(i + 1) * width + k] >= common[i * width + k + 1])) {
            append(out, '-', before[i++]);
        } else {
            append(out, '+', after[k++]);
        }
    }
}

char *text_diff(const char *before, const char *after)
{
    size_t before_count, after_count;
    g_auto(GStrv) old = lines_of(before, &before_count), new = lines_of(after, &after_count);
    GString *out = g_string_new(NULL);
    if (before_count < G_MAXUINT16 && (before_count + 1) * (after_count + 1) <= MAX_CELLS) {
        walk(out, old, before_count, new, after_count);
    } else {
        for (size_t i = 0; i < before_count; i++)
            append(out, '-', old[i]);
        for (size_t k = 0; k < after_count; k++)
            append(out, '+', new[k]);
    }
    return g_string_free(out, FALSE);
}
