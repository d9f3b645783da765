/* coverage_formats: see the header. A new form is one function and one line in the table. */
#include "cli/coverage_formats.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/errors.h"
#include "core/finding_format.h"
#include "jobs/coverage/report.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static char *plain_text(const struct coverage *coverage, const struct finding_list *findings)
{
    return report_text(coverage, findings, false);
}

static char *json_form(const struct coverage *coverage, const struct finding_list *findings)
{
    (void)findings;
    g_autoptr(json_t) value = coverage_to_json(coverage);
    g_autofree char *text = json_text(value);
    return g_strconcat(text, "\n", NULL);
}

/* The report as log, then what GitHub shows beside the lines. */
static char *github_form(const struct coverage *coverage, const struct finding_list *findings)
{
    size_t left_out;
    g_autofree char *text = report_text(coverage, findings, false);
    g_autofree char *log = finding_format_github_log(text);
    g_autofree char *annotations = finding_format_github(findings, &left_out);
    g_autofree char *rest =
        left_out
            ? g_strdup_printf("%zu more findings are not shown as annotations (GitHub shows 10 of a kind): see the "
                              "step summary or the text above\n",
                              left_out)
            : g_strdup("");
    return g_strconcat(log, annotations, rest, NULL);
}

static char *sarif_form(const struct coverage *coverage, const struct finding_list *findings)
{
    (void)coverage;
    g_autoptr(json_t) value = finding_format_sarif(findings, "hikeshi-coverage", rule_help);
    g_autofree char *text = json_text(value);
    return g_strconcat(text, "\n", NULL);
}

static char *junit_form(const struct coverage *coverage, const struct finding_list *findings)
{
    g_autoptr(GArray) passed = g_array_new(FALSE, FALSE, sizeof(struct finding_passed));
    for (guint i = 0; i < coverage->subjects->len; i++) {
        const struct subject_answer *answer = coverage->subjects->pdata[i];
        struct finding_passed entry = {answer->subject->key, answer->subject->file};
        if (answer->by->len)
            g_array_append_val(passed, entry);
    }
    return finding_format_junit(findings, "runbook coverage", (const struct finding_passed *)(void *)passed->data,
                                passed->len);
}

static const struct {
    const char *name;
    char *(*text)(const struct coverage *coverage, const struct finding_list *findings);
} formats[] = {
    {"text", plain_text},          {"json", json_form},   {"github", github_form},
    {"markdown", report_markdown}, {"sarif", sarif_form}, {"junit", junit_form},
};

static char *format_text(const char *name, size_t length, const struct coverage *coverage,
                         const struct finding_list *findings)
{
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
        if (strlen(formats[i].name) == length && strncmp(formats[i].name, name, length) == 0)
            return formats[i].text(coverage, findings);
    return NULL;
}

void coverage_print(const char *format, const struct coverage *coverage, const struct finding_list *findings)
{
    const char *name = format ? format : "text";
    if (strcmp(name, "json") == 0) { /* indented on a terminal */
        g_autoptr(json_t) value = coverage_to_json(coverage);
        print_json(value);
        return;
    }
    g_autofree char *text = strcmp(name, "text") == 0 ? report_text(coverage, findings, terminal_has_colour(stdout))
                                                      : format_text(name, strlen(name), coverage, findings);
    fputs(text, stdout);
}

bool coverage_report_check(const char *report, GError **error)
{
    const char *equals = strchr(report, '=');
    g_autoptr(GString) known = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        size_t length = strlen(formats[i].name);
        if (equals && equals[1] && (size_t)(equals - report) == length && strncmp(report, formats[i].name, length) == 0)
            return true;
        g_string_append_printf(known, "%s%s", i ? "|" : "", formats[i].name);
    }
    errors_set(error, ERROR_USAGE, "--report: expected %s=FILE, not '%s'", known->str, report);
    return false;
}

bool coverage_report(const char *report, const struct coverage *coverage, const struct finding_list *findings,
                     GError **error)
{
    if (!coverage_report_check(report, error))
        return false;
    const char *path = strchr(report, '=') + 1;
    g_autofree char *text = format_text(report, (size_t)(path - 1 - report), coverage, findings);
    FILE *file = fopen(path, "w"); /* not a new file in its place: it may be a pipe or a runner's own file */
    bool ok = file && fputs(text, file) >= 0;
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok)
        errors_set(error, ERROR_IO, "cannot write '%s': %s", path, g_strerror(errno));
    return ok;
}
