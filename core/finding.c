/* finding: the list of what is wrong, or could be better, in files. Knows no rule. */
#include "core/finding.h"
#include <stdarg.h>
#include <string.h>

struct finding_list {
    GPtrArray *findings;
};

static const char *const level_names[] = {"note", "warning", "error"};

static void finding_free(void *data)
{
    struct finding *finding = data;
    g_free(finding->file);
    g_free(finding->message);
    g_free(finding->suggestion);
    g_free(finding->subject);
    g_free(finding);
}

struct finding_list *finding_list_new(void)
{
    struct finding_list *list = g_new0(struct finding_list, 1);
    list->findings = g_ptr_array_new_with_free_func(finding_free);
    return list;
}

void finding_list_free(struct finding_list *list)
{
    if (list == NULL)
        return;
    g_ptr_array_free(list->findings, TRUE);
    g_free(list);
}

static void add(struct finding_list *list, const struct finding *finding)
{
    struct finding *copy = g_new(struct finding, 1);
    *copy = *finding;
    copy->file = g_strdup(finding->file);
    copy->message = g_strdup(finding->message);
    copy->suggestion = g_strdup(finding->suggestion);
    copy->subject = g_strdup(finding->subject);
    g_ptr_array_add(list->findings, copy);
}

void finding_add(struct finding_list *list, const char *rule, enum finding_level level, const char *file, int line,
                 int column, const char *suggestion, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    struct finding finding = {rule, level, (char *)file, line, column, message, (char *)suggestion, NULL};
    add(list, &finding);
}

void finding_about(struct finding_list *list, const char *subject)
{
    struct finding *finding = g_ptr_array_index(list->findings, list->findings->len - 1);
    g_free(finding->subject);
    finding->subject = g_strdup(subject);
}

size_t finding_count(const struct finding_list *list)
{
    return list->findings->len;
}

size_t finding_count_level(const struct finding_list *list, enum finding_level level)
{
    size_t count = 0;
    for (guint i = 0; i < list->findings->len; i++)
        count += finding_at(list, i)->level == level;
    return count;
}

const struct finding *finding_at(const struct finding_list *list, size_t index)
{
    return g_ptr_array_index(list->findings, index);
}

static int compare(const void *left, const void *right)
{
    const struct finding *a = *(struct finding *const *)left, *b = *(struct finding *const *)right;
    int order = g_strcmp0(a->file, b->file);
    if (order == 0)
        order = (a->line > b->line) - (a->line < b->line);
    if (order == 0)
        order = (a->column > b->column) - (a->column < b->column);
    return order != 0 ? order : strcmp(a->rule, b->rule);
}

void finding_sort(struct finding_list *list)
{
    g_ptr_array_sort(list->findings, compare);
}

void finding_append(struct finding_list *to, const struct finding_list *from)
{
    for (guint i = 0; i < from->findings->len; i++)
        add(to, finding_at(from, i));
}

json_t *finding_to_json(const struct finding *finding)
{
    json_t *object = json_object();
    json_set_string(object, "rule", finding->rule);
    json_set_string(object, "level", level_names[finding->level]);
    json_set_string(object, "file", finding->file);
    json_object_set_new(object, "line", finding->line > 0 ? json_integer(finding->line) : json_null());
    json_object_set_new(object, "column", finding->column > 0 ? json_integer(finding->column) : json_null());
    json_set_string(object, "message", finding->message);
    json_set_string(object, "suggestion", finding->suggestion);
    return object;
}

char *finding_to_text(const struct finding *finding)
{
    GString *text = g_string_new(finding->file);
    if (finding->line > 0)
        g_string_append_printf(text, ":%d", finding->line);
    if (finding->line > 0 && finding->column > 0)
        g_string_append_printf(text, ":%d", finding->column);
    g_string_append_printf(text, ": %s: %s", level_names[finding->level], finding->message);
    /* One word is what to write instead; more are advice. */
    if (finding->suggestion != NULL)
        g_string_append_printf(text, strchr(finding->suggestion, ' ') ? " (%s)" : " (did you mean '%s'?)",
                               finding->suggestion);
    g_string_append_printf(text, " [%s]", finding->rule);
    return g_string_free(text, FALSE);
}

enum { LONGEST_WORD = 64 };

/* Levenshtein's distance, but a swap of neighbours counts one too: "hsots" is near "hosts". */
static int edit_distance(const char *a, const char *b)
{
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > LONGEST_WORD || columns > LONGEST_WORD)
        return INT_MAX;
    int before[LONGEST_WORD + 1] = {0}, above[LONGEST_WORD + 1], current[LONGEST_WORD + 1];
    for (size_t j = 0; j <= columns; j++)
        above[j] = (int)j;
    for (size_t i = 1; i <= rows; i++) {
        current[0] = (int)i;
        for (size_t j = 1; j <= columns; j++) {
            int best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = MIN(best, MIN(above[j], current[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = MIN(best, before[j - 2] + 1);
            current[j] = best;
        }
        memcpy(before, above, sizeof above);
        memcpy(above, current, sizeof above);
    }
    return above[columns];
}

const char *finding_nearest(const char *word, const char *const *candidates)
{
    const char *nearest = NULL;
    int allowed = (int)strlen(word) / 3 + 1, best = allowed + 1;
    for (; *candidates != NULL; candidates++) {
        int distance = edit_distance(word, *candidates);
        if (distance < best && distance < (int)strlen(*candidates)) {
            best = distance;
            nearest = *candidates;
        }
    }
    return nearest;
}
