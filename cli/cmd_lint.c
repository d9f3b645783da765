/* hikeshi lint: every problem of a runbook repository at once, with its place. */
#include "cli/commands.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/errors.h"
#include "core/finding_format.h"
#include "jobs/coverage/scan.h"
#include "jobs/lint.h"
#include "jobs/lint_rules.h"
#include "lua/lua_run.h"
#include <stdio.h>
#include <string.h>

/* ---- formats --------------------------------------------------------------------------------------------------- */

static void print_sums(FILE *out, const struct lint_result *result)
{
    const struct {
        size_t count;
        const char *what;
    } sums[] = {{result->runbooks, "runbook"}, {result->documents, "document"}, {result->steps, "step"}};
    size_t findings = finding_count(result->findings);
    for (size_t i = 0; i < G_N_ELEMENTS(sums); i++)
        fprintf(out, "%s%zu %s%s", i > 0 ? ", " : "", sums[i].count, sums[i].what, sums[i].count == 1 ? "" : "s");
    if (result->tests > 0)
        fprintf(out, ", %zu test file%s", result->tests, result->tests == 1 ? "" : "s");
    fprintf(out, ": %zu finding%s\n", findings, findings == 1 ? "" : "s");
}

static void print_findings(FILE *out, const struct lint_result *result)
{
    static const enum terminal_style styles[] = {
        [FINDING_NOTE] = STYLE_DIM, [FINDING_WARNING] = STYLE_YELLOW, [FINDING_ERROR] = STYLE_RED};
    for (size_t i = 0; i < finding_count(result->findings); i++) {
        const struct finding *finding = finding_at(result->findings, i);
        g_autofree char *text = finding_to_text(finding), *line = terminal_clean_line(text);
        fprintf(out, "%s%s%s\n", terminal_style(out, styles[finding->level]), line, terminal_style(out, STYLE_RESET));
    }
}

static void text_format(const struct lint_result *result)
{
    print_findings(stdout, result);
    print_sums(stdout, result);
}

static void json_format(const struct lint_result *result)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < finding_count(result->findings); i++)
        json_array_append_new(findings, finding_to_json(finding_at(result->findings, i)));
    g_autoptr(json_t) answer = json_pack("{s:o, s:I, s:I, s:I, s:I}", "findings", findings, "runbooks",
                                         (json_int_t)result->runbooks, "documents", (json_int_t)result->documents,
                                         "steps", (json_int_t)result->steps, "tests", (json_int_t)result->tests);
    print_json(answer);
}

static void github_format(const struct lint_result *result)
{
    size_t left_out;
    g_autofree char *text = finding_format_github(result->findings, &left_out);
    fputs(text, stdout);
    if (left_out > 0)
        printf("%zu more findings are not shown: `hikeshi lint` prints them all\n", left_out);
    print_sums(stdout, result);
}

static void sarif_format(const struct lint_result *result)
{
    g_autoptr(json_t) sarif = finding_format_sarif(result->findings, "hikeshi-lint", lint_rule_help);
    print_json(sarif);
}

static const struct {
    const char *name;
    void (*print)(const struct lint_result *result);
} formats[] = {{"text", text_format}, {"json", json_format}, {"github", github_format}, {"sarif", sarif_format}};

static void print_result(const struct cli_call *call, const struct lint_result *result)
{
    const char *format = cli_wants_json(call) ? "json" : cli_value(call, "format");
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
        if (strcmp(formats[i].name, format ? format : "text") == 0)
            formats[i].print(result);
}

/* ---- rules ----------------------------------------------------------------------------------------------------- */

static int print_rules(const struct cli_call *call)
{
    static const char *const levels[] = {"note", "warning", "error"};
    g_autoptr(json_t) rules = json_array();
    for (const struct lint_rule *rule = lint_rules; rule->id; rule++)
        json_array_append_new(
            rules, json_pack("{s:s, s:s, s:s}", "rule", rule->id, "level", levels[rule->level], "help", rule->help));
    static const char *const headers[] = {"RULE", "LEVEL", "HELP", NULL}, *const paths[] = {"rule", "level", "help",
                                                                                            NULL};
    g_autoptr(json_t) answer = json_pack("{s:O}", "rules", rules);
    if (cli_wants_json(call))
        print_json(answer);
    else
        print_items(rules, headers, paths, "no rules");
    return 0;
}

/* ---- alerts ---------------------------------------------------------------------------------------------------- */

/* The names of the alert rules below the folders of --alerts; NULL without the option, or with the error. */
static char **read_alerts(const struct cli_call *call, GError **error)
{
    GPtrArray *folders = cli_values(call, "alerts");
    if (!folders)
        return NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_copy(folders, NULL, NULL);
    g_ptr_array_add(list, NULL);
    const struct scan_paths paths = {.alerts = (char **)list->pdata};
    g_autoptr(coverage_settings) settings = coverage_settings_read(NULL, error);
    g_autoptr(scan_t) scan = settings ? scan_new(&paths, settings, false, error) : NULL;
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    if (scan)
        inputs_read(scan->inputs, &settings->rules, NULL, NULL);
    for (guint i = 0; scan && i < scan->inputs->len; i++) {
        const struct input *input = scan->inputs->pdata[i];
        for (guint k = 0; input->subjects && k < input->subjects->len; k++) {
            const struct subject *subject = input->subjects->pdata[k];
            if (subject->kind == SUBJECT_ALERT)
                g_strv_builder_add(names, subject->name);
        }
    }
    return scan ? g_strv_builder_end(names) : NULL;
}

/* ---- the command ----------------------------------------------------------------------------------------------- */

static int lint_all(const struct cli_call *call, const char *const *alerts)
{
    struct lint_result result;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_copy(call->arguments, NULL, NULL);
    const struct lint_options options = {.check_lua = lua_check_syntax,
                                         .lua_globals = lua_global_names(),
                                         .lua_modules = lua_module_names(),
                                         .alerts = alerts};
    if (paths->len == 0)
        g_ptr_array_add(paths, (char *)".");
    g_ptr_array_add(paths, NULL);
    if (!lint_paths((const char *const *)paths->pdata, &options, &result, &error)) {
        cli_fail(call, &error);
        return errors_exit_status(ERROR_USAGE);
    }
    print_result(call, &result);
    bool notes_only = finding_count_level(result.findings, FINDING_NOTE) == finding_count(result.findings);
    lint_result_clear(&result);
    return notes_only ? 0 : 1;
}

static int lint(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    if (cli_given(call, "rules"))
        return print_rules(call);
    g_auto(GStrv) alerts = read_alerts(call, &error);
    if (error)
        return cli_fail(call, &error);
    return lint_all(call, (const char *const *)alerts);
}

static const struct cli_option options[] = {
    {.name = "alerts", .value = "DIR", .repeated = true, .help = "alert rules: a trigger must name one that exists"},
    {.name = "rules", .help = "print the rules instead: id, level, what each means"},
    {.name = "json", .help = "short for --format json"},
    {.name = "format", .value = "text|json|github|sarif", .help = "how to print the findings (default: text)"},
    CLI_OPTION_END,
};

const struct cli_command cmd_lint = {
    .name = "lint",
    .arguments = "[PATH...]",
    .summary = "check runbooks, their tests, inventory and policies",
    .details =
        "Checks files and folders (default: the current one): the format, Lua, and names that must exist: params,\n"
        "steps, hosts, policies, modules. A repository's root stands for its runbooks/ folder and all tests.\n\n"
        "Exit status: 0 nothing found but notes, 1 findings, 2 a path cannot be read.",
    .options = options,
    .run = lint,
};
