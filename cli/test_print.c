/* test_print: one pair of functions a format. JUnit: the form that GitLab, Jenkins and GitHub's reporters share. */
#include "cli/test_print.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/finding.h"
#include "core/finding_format.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool passed(const json_t *one)
{
    return strcmp(json_get_string(one, "result", ""), "passed") == 0;
}

void test_sums_add(struct test_sums *sums, const json_t *result)
{
    size_t i;
    json_t *one;
    sums->files++;
    sums->failed += json_array_size(json_object_get(result, "problems")) > 0;
    json_array_foreach (json_object_get(result, "cases"), i, one) {
        sums->cases++;
        sums->failed += !passed(one);
    }
}

/* ---- text ---- */

static void print_problem(FILE *out, const char *text)
{
    g_autofree char *safe = terminal_clean(text, strlen(text), TERMINAL_PLAIN);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(safe), "\n", -1);
    for (size_t i = 0; lines[i]; i++) {
        const char *line = lines[i], *mark = line + strspn(line, " ");
        enum terminal_style style = i == 0                         ? STYLE_RESET
                                    : g_str_has_prefix(mark, "- ") ? STYLE_RED
                                    : g_str_has_prefix(mark, "+ ") ? STYLE_GREEN
                                                                   : STYLE_RESET;
        fprintf(out, "      %s%s%s\n", terminal_style(out, style), line, terminal_style(out, STYLE_RESET));
    }
}

static void print_problems(FILE *out, const json_t *problems)
{
    size_t i;
    json_t *text;
    json_array_foreach (problems, i, text)
        print_problem(out, json_string_value(text));
}

static void print_line(FILE *out, bool fine, const char *what)
{
    g_autofree char *safe = terminal_clean_line(what);
    fprintf(out, "  %s%s%s %s\n", terminal_style(out, fine ? STYLE_GREEN : STYLE_RED), fine ? "ok  " : "FAIL",
            terminal_style(out, STYLE_RESET), safe);
}

static void write_file(FILE *out, const json_t *result)
{
    g_autofree char *file = terminal_clean_line(json_get_string(result, "file", ""));
    const json_t *problems = json_object_get(result, "problems");
    size_t i;
    json_t *one;
    fprintf(out, "%s%s%s\n", terminal_style(out, STYLE_BOLD), file, terminal_style(out, STYLE_RESET));
    if (json_array_size(problems) > 0)
        print_line(out, false, "no case could run");
    print_problems(out, problems);
    json_array_foreach (json_object_get(result, "cases"), i, one) {
        print_line(out, passed(one), json_get_string(one, "name", ""));
        print_problems(out, json_object_get(one, "problems"));
    }
}

static void print_coverage(FILE *out, const struct test_sums *sums)
{
    const struct test_coverage_sums *coverage = &sums->coverage;
    for (size_t i = 0; i < finding_count(sums->unreached); i++) {
        const struct finding *finding = finding_at(sums->unreached, i);
        g_autofree char *file = terminal_clean_line(finding->file), *text = terminal_clean_line(finding->message);
        fprintf(out, "%s:%d: %s\n", file, finding->line, text);
    }
    fprintf(out, "cases run %zu of %zu steps and %zu of %zu branches\n", coverage->steps_run, coverage->steps,
            coverage->branches_taken, coverage->branches);
}

static void write_sums(FILE *out, const struct test_sums *sums)
{
    if (sums->coverage.steps > 0)
        print_coverage(out, sums);
    fprintf(out, "%zu case%s in %zu file%s: ", sums->cases, sums->cases == 1 ? "" : "s", sums->files,
            sums->files == 1 ? "" : "s");
    if (sums->failed > 0)
        fprintf(out, "%s%zu failed%s\n", terminal_style(out, STYLE_RED), sums->failed,
                terminal_style(out, STYLE_RESET));
    else
        fprintf(out, "%sall passed%s\n", terminal_style(out, STYLE_GREEN), terminal_style(out, STYLE_RESET));
}

static void text_file(const json_t *result)
{
    write_file(stdout, result);
    fflush(stdout);
}

static void text_end(const json_t *results, const struct test_sums *sums)
{
    (void)results;
    write_sums(stdout, sums);
}

/* ---- JSON ---- */

static void json_end(const json_t *results, const struct test_sums *sums)
{
    const struct test_coverage_sums *coverage = &sums->coverage;
    g_autoptr(json_t) all = json_pack(
        "{s:O, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I}}", "files", results, "cases", (json_int_t)sums->cases, "failed",
        (json_int_t)sums->failed, "passed", (json_int_t)(sums->cases - MIN(sums->failed, sums->cases)), "coverage",
        "steps", (json_int_t)coverage->steps, "steps_run", (json_int_t)coverage->steps_run, "branches",
        (json_int_t)coverage->branches, "branches_taken", (json_int_t)coverage->branches_taken);
    print_json(all);
}

/* ---- failures as findings, for GitHub ---- */

static void add_failures(struct finding_list *list, const char *file, int line, const char *name,
                         const json_t *problems)
{
    size_t i;
    json_t *text;
    json_array_foreach (problems, i, text)
        finding_add(list, "test", FINDING_ERROR, file, line, 1, NULL, "%s%s%s", name ? name : "", name ? ": " : "",
                    json_string_value(text));
}

static struct finding_list *failures_of(const json_t *results)
{
    struct finding_list *list = finding_list_new();
    size_t i, k;
    json_t *result, *one;
    json_array_foreach (results, i, result) {
        const char *file = json_get_string(result, "file", "");
        add_failures(list, file, 1, NULL, json_object_get(result, "problems"));
        json_array_foreach (json_object_get(result, "cases"), k, one)
            add_failures(list, file, (int)json_get_integer(one, "line", 1), json_get_string(one, "name", ""),
                         json_object_get(one, "problems"));
    }
    return list;
}

/* The text that people read, where nothing that a host said can pass for a workflow command; g_free. */
static char *github_log(const json_t *results, const struct test_sums *sums)
{
    char *text = NULL;
    size_t length = 0, i;
    json_t *result;
    FILE *out = open_memstream(&text, &length);
    json_array_foreach (results, i, result)
        write_file(out, result);
    write_sums(out, sums);
    fclose(out);
    char *log = finding_format_github_log(text);
    free(text);
    return log;
}

static void github_end(const json_t *results, const struct test_sums *sums)
{
    g_autoptr(finding_list) list = failures_of(results);
    g_autofree char *log = github_log(results, sums);
    size_t left_out;
    g_autofree char *text = finding_format_github(list, &left_out);
    fputs(log, stdout);
    fputs(text, stdout);
    if (left_out > 0)
        printf("%zu more failures stand above\n", left_out);
}

/* ---- JUnit ---- */

/* Text that XML 1.0 can hold, escaped. g_free. */
static char *xml(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    for (char *at = valid; *at; at++)
        if ((unsigned char)*at < 0x20 && *at != '\n' && *at != '\t')
            *at = ' ';
    return g_markup_escape_text(valid, -1);
}

static void junit_case(const char *file, const char *name, const json_t *problems)
{
    g_autofree char *class_name = xml(file), *case_name = xml(name);
    size_t i;
    json_t *text;
    printf("    <testcase classname=\"%s\" name=\"%s\"", class_name, case_name);
    if (json_array_size(problems) == 0) {
        printf("/>\n");
        return;
    }
    printf(">\n");
    json_array_foreach (problems, i, text) {
        g_auto(GStrv) lines = g_strsplit(json_string_value(text), "\n", 2);
        g_autofree char *first = xml(lines[0]), *all = xml(json_string_value(text));
        printf("      <failure message=\"%s\">%s</failure>\n", first, all);
    }
    printf("    </testcase>\n");
}

static void junit_file(const json_t *result)
{
    const char *file = json_get_string(result, "file", "");
    const json_t *problems = json_object_get(result, "problems");
    g_autofree char *name = xml(file);
    struct test_sums sums = {0};
    size_t i;
    json_t *one;
    test_sums_add(&sums, result);
    size_t broken = json_array_size(problems) > 0;
    printf("  <testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" time=\"%.3f\">\n", name, sums.cases + broken,
           sums.failed, (double)json_get_integer(result, "duration_ms", 0) / 1000);
    if (broken)
        junit_case(file, "the file", problems);
    json_array_foreach (json_object_get(result, "cases"), i, one)
        junit_case(file, json_get_string(one, "name", ""), json_object_get(one, "problems"));
    printf("  </testsuite>\n");
}

static void junit_end(const json_t *results, const struct test_sums *sums)
{
    size_t i;
    json_t *result;
    printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%zu\" failures=\"%zu\">\n", sums->cases,
           sums->failed);
    json_array_foreach (results, i, result)
        junit_file(result);
    printf("</testsuites>\n");
}

static const struct test_format formats[] = {
    {"text", text_file, text_end},
    {"json", NULL, json_end},
    {"github", NULL, github_end},
    {"junit", NULL, junit_end},
};

const struct test_format *test_format_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}
