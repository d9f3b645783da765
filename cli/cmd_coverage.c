/* hikeshi coverage: which workloads and alerts have no runbook. For people, and for CI. */
#include "cli/commands.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/errors.h"
#include "core/finding_format.h"
#include "jobs/coverage/coverage.h"
#include "jobs/coverage/gaps.h"
#include "jobs/coverage/report.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_text(const struct coverage *coverage, const struct finding_list *findings)
{
    (void)findings;
    g_autofree char *text = report_text(coverage, terminal_has_colour(stdout));
    fputs(text, stdout);
}

static void print_json_form(const struct coverage *coverage, const struct finding_list *findings)
{
    (void)findings;
    g_autoptr(json_t) value = coverage_to_json(coverage);
    print_json(value);
}

static void print_markdown(const struct coverage *coverage, const struct finding_list *findings)
{
    (void)findings;
    g_autofree char *text = report_markdown(coverage);
    fputs(text, stdout);
}

static void print_github(const struct coverage *coverage, const struct finding_list *findings)
{
    size_t left_out;
    g_autofree char *text = finding_format_github(findings, &left_out);
    fputs(text, stdout);
    printf("%zu of %u workloads and %zu of %u alerts have a runbook", coverage->workloads_covered,
           coverage->set->workloads->len, coverage->alerts_covered, coverage->set->alerts->len);
    printf(left_out ? "; %zu more findings are not shown as annotations\n" : "\n", left_out);
}

static void print_sarif(const struct coverage *coverage, const struct finding_list *findings)
{
    (void)coverage;
    g_autoptr(json_t) value = finding_format_sarif(findings, "hikeshi-coverage", gaps_help);
    print_json(value);
}

static void print_junit(const struct coverage *coverage, const struct finding_list *findings)
{
    g_autoptr(GPtrArray) passed = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < coverage->set->workloads->len; i++)
        if (((GArray *)coverage->workload_by->pdata[i])->len)
            g_ptr_array_add(passed, gap_workload_name(coverage->set->workloads->pdata[i]));
    for (guint i = 0; i < coverage->set->alerts->len; i++)
        if (((GArray *)coverage->alert_by->pdata[i])->len)
            g_ptr_array_add(passed, gap_alert_name(coverage->set->alerts->pdata[i]));
    g_ptr_array_add(passed, NULL);
    g_autofree char *text = finding_format_junit(findings, "runbook coverage", (const char *const *)passed->pdata);
    fputs(text, stdout);
}

static const struct {
    const char *name;
    void (*print)(const struct coverage *coverage, const struct finding_list *findings);
} formats[] = {
    {"text", print_text},         {"json", print_json_form}, {"github", print_github},
    {"markdown", print_markdown}, {"sarif", print_sarif},    {"junit", print_junit},
};

static char **paths_of(const struct cli_call *call, const char *option)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    GPtrArray *values = cli_values(call, option);
    for (guint i = 0; values && i < values->len; i++)
        g_strv_builder_add(builder, values->pdata[i]);
    return g_strv_builder_end(builder);
}

/* What is covered must be at least this; -1 = no gap at all is allowed. */
static bool read_minimum(const struct cli_call *call, double *ret_minimum, GError **error)
{
    const char *text = cli_value(call, "min");
    char *end = NULL;
    *ret_minimum = text ? g_ascii_strtod(text, &end) : -1;
    if (!text || (*text && !*end && *ret_minimum >= 0 && *ret_minimum <= 100))
        return true;
    errors_set(error, ERROR_USAGE, "--min: expected a percentage from 0 to 100, not '%s'", text);
    return false;
}

static struct coverage *read_all(const struct cli_call *call, GError **error)
{
    g_auto(GStrv) manifests = paths_of(call, "manifests"), alerts = paths_of(call, "alerts"),
                  runbooks = paths_of(call, "runbooks");
    struct coverage_paths paths = {manifests, alerts, runbooks};
    if (!*manifests && !*alerts) {
        errors_set(error, ERROR_USAGE, "give --manifests DIR, --alerts DIR, or both");
        return NULL;
    }
    if (!*runbooks) {
        errors_set(error, ERROR_USAGE, "give --runbooks DIR");
        return NULL;
    }
    const char *path = cli_value(call, "config");
    if (path && !g_file_test(path, G_FILE_TEST_EXISTS)) {
        errors_set(error, ERROR_USAGE, "--config: there is no file '%s'", path);
        return NULL;
    }
    struct coverage_settings *settings = coverage_settings_read(path ? path : "hikeshi/coverage.yaml", error);
    if (!settings)
        return NULL;
    struct coverage *coverage = coverage_read(&paths, settings, error);
    coverage_settings_free(settings);
    return coverage;
}

/* 0 when what was asked for holds: no gap (that the baseline does not know), or the minimum; and, when strict, all was
 * read. */
static int verdict(const struct cli_call *call, const struct coverage *coverage, const struct finding_list *findings,
                   double minimum)
{
    if (cli_given(call, "strict") && coverage->set->skipped->len)
        return 1;
    if (minimum >= 0)
        return coverage_percent(coverage) + 1e-9 < minimum;
    return finding_count_level(findings, FINDING_ERROR) > 0;
}

static int coverage_command(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) known = NULL;
    g_autoptr(coverage_t) coverage = NULL;
    g_autoptr(finding_list) findings = finding_list_new();
    const char *baseline = cli_value(call, "baseline");
    double minimum;
    if (!read_minimum(call, &minimum, &error) || !(coverage = read_all(call, &error)))
        return cli_fail(call, &error);
    if (cli_given(call, "write-baseline")) {
        if (!baseline)
            errors_set(&error, ERROR_USAGE, "--write-baseline needs --baseline FILE");
        return error || !baseline_write(baseline, coverage, &error) ? cli_fail(call, &error) : 0;
    }
    if (baseline && !(known = baseline_read(baseline, &error)))
        return cli_fail(call, &error);
    gaps_findings(coverage, known, cli_given(call, "strict"), findings);
    const char *name = cli_given(call, "json") ? "json" : cli_value(call, "format");
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
        if (strcmp(formats[i].name, name ? name : "text") == 0)
            formats[i].print(coverage, findings);
    return verdict(call, coverage, findings, minimum);
}

static const struct cli_option options[] = {
    {.name = "manifests", .value = "DIR", .repeated = true, .help = "Kubernetes manifests; may be given several times"},
    {.name = "alerts", .value = "DIR", .repeated = true, .help = "PrometheusRule objects or rule files"},
    {.name = "runbooks", .value = "DIR", .repeated = true, .help = "runbooks and documents"},
    {.name = "config", .value = "FILE", .help = "default: hikeshi/coverage.yaml, if it is there"},
    {.name = "min", .value = "PCT", .help = "succeed when at least this much is covered"},
    {.name = "baseline", .value = "FILE", .help = "gaps that are known already do not count"},
    {.name = "write-baseline", .help = "write today's gaps to the baseline"},
    {.name = "strict", .help = "a file that could not be read is a failure"},
    {.name = "json", .help = "short for --format json"},
    {.name = "format",
     .value = "text|json|github|markdown|sarif|junit",
     .help = "how to print the answer (default: text)"},
    CLI_OPTION_END,
};

const struct cli_command cmd_coverage = {
    .name = "coverage",
    .arguments = "",
    .summary = "which workloads and alerts have no runbook",
    .details = "Exit status: 0 covered, 1 there are gaps, 2 wrong usage or a path that cannot be read.",
    .options = options,
    .run = coverage_command,
};
