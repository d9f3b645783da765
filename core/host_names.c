/* host_names: see host_names.h. */
#include "core/host_names.h"

#include <string.h>

/* More digits are no counting number. */
#define MAX_DIGITS 9

/* "web-07.prod" is "web-", "07", ".prod". */
struct name {
    const char *text; /* borrowed */
    size_t prefix, digits;
    gint64 number; /* -1 = none */
};

/* Where the part of a name ends in which hosts are counted: its first label, "web-07" of
 * "web-07.eu-west-1.example.com", if that has a number and is not one (10.0.0.7). */
static size_t counted_length(const char *text)
{
    size_t label = strcspn(text, "."), digits = 0;
    for (size_t i = 0; i < label; i++)
        digits += g_ascii_isdigit(text[i]);
    return digits > 0 && digits < label ? label : strlen(text);
}

static struct name split(const char *text)
{
    size_t end = counted_length(text);
    while (end > 0 && !g_ascii_isdigit(text[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && g_ascii_isdigit(text[start - 1]))
        start--;
    size_t digits = end - start;
    gint64 number = digits > 0 && digits <= MAX_DIGITS ? g_ascii_strtoll(text + start, NULL, 10) : -1;
    return (struct name){.text = text, .prefix = start, .digits = digits, .number = number};
}

static const char *suffix(const struct name *name)
{
    return name->text + name->prefix + name->digits;
}

/* How names sort: those that fold together are neighbours. */
static int compare(gconstpointer a, gconstpointer b)
{
    const struct name *left = a, *right = b;
    int order = strncmp(left->text, right->text, MAX(left->prefix, right->prefix));
    if (left->prefix != right->prefix || order != 0)
        return order != 0 ? order : left->prefix < right->prefix ? -1 : 1;
    order = strcmp(suffix(left), suffix(right));
    if (order != 0)
        return order;
    if (left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return left->digits < right->digits ? -1 : left->digits > right->digits;
}

static gboolean same_family(const struct name *a, const struct name *b)
{
    return a->number >= 0 && b->number >= 0 && a->prefix == b->prefix && strncmp(a->text, b->text, a->prefix) == 0 &&
           strcmp(suffix(a), suffix(b)) == 0;
}

/* 07 goes on with 08, and 9 with 10; 9 does not go on with 010. */
static gboolean follows(const struct name *before, const struct name *after)
{
    char next[MAX_DIGITS + 2];
    g_snprintf(next, sizeof next, "%0*" G_GINT64_FORMAT, (int)before->digits, before->number + 1);
    return strlen(next) == after->digits && strncmp(after->text + after->prefix, next, after->digits) == 0;
}

static void append_digits(GString *out, const struct name *name)
{
    g_string_append_len(out, name->text + name->prefix, (gssize)name->digits);
}

/* The names from `from` up to `to`, which are one family. */
static void append_family(GString *out, const struct name *names, guint from, guint to)
{
    g_string_append_len(out, names[from].text, (gssize)names[from].prefix);
    g_string_append_c(out, '[');
    for (guint i = from, last; i < to; i = last + 1) {
        last = i;
        while (last + 1 < to && follows(&names[last], &names[last + 1]))
            last++;
        if (i > from)
            g_string_append_c(out, ',');
        append_digits(out, &names[i]);
        if (last > i)
            g_string_append_c(out, '-');
        if (last > i)
            append_digits(out, &names[last]);
    }
    g_string_append_printf(out, "]%s", suffix(&names[from]));
}

char *host_names_fold(const GPtrArray *names)
{
    g_autoptr(GArray) sorted = g_array_sized_new(FALSE, FALSE, sizeof(struct name), names->len);
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < names->len; i++) {
        struct name name = split(g_ptr_array_index(names, i));
        g_array_append_val(sorted, name);
    }
    g_array_sort(sorted, compare);
    const struct name *all = (const struct name *)(const void *)sorted->data;
    for (guint i = 0, next; i < sorted->len; i = next) {
        next = i + 1;
        while (next < sorted->len && same_family(&all[i], &all[next]))
            next++;
        if (i > 0)
            g_string_append_c(out, ',');
        if (next > i + 1)
            append_family(out, all, i, next);
        else
            g_string_append(out, all[i].text);
    }
    return g_string_free(out, FALSE);
}
