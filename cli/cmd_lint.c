/* hikeshi lint: every problem of a runbook repository at once, with its place. */
#include "cli/commands.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/errors.h"
#include "jobs/lint.h"
#include "lua/lua_run.h"
#include <stdio.h>

static void print_findings_json(const struct lint_result *result)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < finding_count(result->findings); i++)
        json_array_append_new(findings, finding_to_json(finding_at(result->findings, i)));
    g_autoptr(json_t) answer =
        json_pack("{s:o, s:I, s:I, s:I}", "findings", findings, "runbooks", (json_int_t)result->runbooks, "documents",
                  (json_int_t)result->documents, "steps", (json_int_t)result->steps);
    print_json(answer);
}

static void print_findings_text(const struct lint_result *result)
{
    size_t count = finding_count(result->findings);
    for (size_t i = 0; i < count; i++) {
        const struct finding *finding = finding_at(result->findings, i);
        enum terminal_style style = finding->level == FINDING_ERROR ? STYLE_RED : STYLE_YELLOW;
        g_autofree char *text = finding_to_text(finding);
        g_autofree char *line = terminal_clean_line(text);
        printf("%s%s%s\n", terminal_style(stdout, style), line, terminal_style(stdout, STYLE_RESET));
    }
    printf("%zu runbook%s, %zu document%s, %zu step%s: %zu finding%s\n", result->runbooks,
           result->runbooks == 1 ? "" : "s", result->documents, result->documents == 1 ? "" : "s", result->steps,
           result->steps == 1 ? "" : "s", count, count == 1 ? "" : "s");
}

static int lint(struct cli_call *call)
{
    struct lint_result result;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_copy(call->arguments, NULL, NULL);
    if (paths->len == 0)
        g_ptr_array_add(paths, (char *)".");
    g_ptr_array_add(paths, NULL);
    if (!lint_paths((const char *const *)paths->pdata, lua_check_syntax, &result, &error)) {
        cli_fail(call, &error);
        return errors_exit_status(ERROR_USAGE);
    }
    if (cli_wants_json(call))
        print_findings_json(&result);
    else
        print_findings_text(&result);
    bool notes_only = finding_count_level(result.findings, FINDING_NOTE) == finding_count(result.findings);
    lint_result_clear(&result);
    return notes_only ? 0 : 1;
}

static const struct cli_option options[] = {CLI_OPTION_JSON, CLI_OPTION_END};

const struct cli_command cmd_lint = {
    .name = "lint",
    .arguments = "[PATH...]",
    .summary = "check runbooks, inventory and policies",
    .details = "Checks files and folders (default: the current one): the format, Lua syntax, and names that must "
               "exist: params,\n"
               "steps, hosts, policies, modules. A repository's root stands for its runbooks/ folder.\n\n"
               "Exit status: 0 nothing found, 1 findings, 2 a path cannot be read.",
    .options = options,
    .run = lint,
};
