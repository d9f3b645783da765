/* finding_format_junit: see the header. Source: the attributes that the readers of GitLab, Jenkins and GitHub's
 * reporters share; there is no standard. */
#include "core/finding_format.h"

/* Whether XML 1.0 (section 2.2) allows the character. */
static bool allowed(gunichar c)
{
    return c == '\t' || c == '\n' || (c >= 0x20 && c != 0x7F && !(c >= 0x80 && c < 0xA0) && (c & 0xFFFE) != 0xFFFE);
}

static void append(GString *out, const char *before, const char *text, const char *after)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autoptr(GString) clean = g_string_new(NULL);
    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(clean, allowed(c) ? c : ' ');
    }
    g_autofree char *escaped = g_markup_escape_text(clean->str, (gssize)clean->len);
    g_string_append_printf(out, "%s%s%s", before, escaped, after);
}

static void open_case(GString *out, const char *name, const char *suite, const char *file)
{
    append(out, "    <testcase name=\"", name, "\"");
    append(out, " classname=\"", suite, "\"");
    append(out, " file=\"", file, "\" time=\"0\"");
}

static void append_finding(GString *out, const struct finding *finding, const char *suite)
{
    g_autofree char *place =
        finding->line > 0 ? g_strdup_printf("%s:%d", finding->file, finding->line) : g_strdup(finding->file);
    g_autofree char *name =
        finding->subject ? g_strdup(finding->subject) : g_strdup_printf("%s: %s", finding->file, finding->message);
    open_case(out, name, suite, finding->file);
    if (finding->level == FINDING_NOTE) {
        append(out, ">\n      <skipped message=\"", finding->message, "\"/>\n    </testcase>\n");
        return;
    }
    append(out, ">\n      <failure message=\"", finding->message, "\"");
    append(out, " type=\"", finding->rule, "\">");
    append(out, "", place, ": ");
    append(out, "", finding->message, "");
    if (finding->suggestion)
        append(out, "\n", finding->suggestion, "");
    g_string_append(out, "</failure>\n    </testcase>\n");
}

static void append_counts(GString *out, const struct finding_list *list, size_t passed)
{
    size_t skipped = finding_count_level(list, FINDING_NOTE), all = finding_count(list);
    g_string_append_printf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" time=\"0\">\n",
                           passed + all, all - skipped, skipped);
}

char *finding_format_junit(const struct finding_list *list, const char *suite, const struct finding_passed *passed,
                           size_t passed_count)
{
    GString *out = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    append(out, "<testsuites name=\"", suite, "\"");
    append_counts(out, list, passed_count);
    append(out, "  <testsuite name=\"", suite, "\"");
    append_counts(out, list, passed_count);
    for (size_t i = 0; i < finding_count(list); i++)
        append_finding(out, finding_at(list, i), suite);
    for (size_t i = 0; i < passed_count; i++) {
        open_case(out, passed[i].name, suite, passed[i].file);
        g_string_append(out, "/>\n");
    }
    g_string_append(out, "  </testsuite>\n</testsuites>\n");
    return g_string_free(out, FALSE);
}
