/* hikeshi coverage: which workloads and alerts have no runbook. For people, and for CI. */
#include "cli/commands.h"
#include "cli/coverage_formats.h"
#include "core/errors.h"
#include "jobs/coverage/coverage.h"
#include "jobs/coverage/gaps.h"
#include <stdlib.h>
#include <string.h>

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
    struct scan_paths paths = {manifests, alerts, runbooks};
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
    const char *since = cli_value(call, "changed-since");
    g_autoptr(coverage_settings) settings = coverage_settings_read(path ? path : "hikeshi/coverage.yaml", error);
    g_autoptr(scan_t) scan = settings ? scan_new(&paths, settings, since != NULL, error) : NULL;
    return scan ? coverage_read(scan, settings, since, cli_given(call, "strict"), error) : NULL;
}

/* Strict, and something could not be read: never a success. */
static bool unread(const struct cli_call *call, const struct coverage *coverage)
{
    return cli_given(call, "strict") && coverage->skipped->len;
}

/* 0 when what was asked for holds: no gap (that the baseline does not know), or the minimum; and, when strict, all was
 * read. */
static int verdict(const struct cli_call *call, const struct coverage *coverage, const struct finding_list *findings,
                   double minimum)
{
    if (unread(call, coverage))
        return 1;
    if (minimum >= 0)
        return coverage_percent(coverage) + 1e-9 < minimum;
    return finding_count_level(findings, FINDING_ERROR) > 0;
}

/* Every --report FORMAT=FILE. */
static bool write_reports(const struct cli_call *call, const struct coverage *coverage,
                          const struct finding_list *findings, GError **error)
{
    GPtrArray *reports = cli_values(call, "report");
    for (guint i = 0; reports && i < reports->len; i++)
        if (!coverage_report(reports->pdata[i], coverage, findings, error))
            return false;
    return true;
}

/* Usage that must not first cost a reading of everything. */
static bool check_reports(const struct cli_call *call, GError **error)
{
    GPtrArray *reports = cli_values(call, "report");
    for (guint i = 0; reports && i < reports->len; i++)
        if (!coverage_report_check(reports->pdata[i], error))
            return false;
    return true;
}

static int coverage_command(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) known = NULL;
    g_autoptr(coverage_t) coverage = NULL;
    g_autoptr(finding_list) findings = finding_list_new();
    const char *baseline = cli_value(call, "baseline");
    double minimum;
    if (!read_minimum(call, &minimum, &error) || !check_reports(call, &error) || !(coverage = read_all(call, &error)))
        return cli_fail(call, &error);
    if (cli_given(call, "write-baseline")) {
        if (!baseline)
            errors_set(&error, ERROR_USAGE, "--write-baseline needs --baseline FILE");
        if (error || !baseline_write(baseline, coverage, &error))
            return cli_fail(call, &error);
        return unread(call, coverage);
    }
    if (baseline && !(known = baseline_read(baseline, &error)))
        return cli_fail(call, &error);
    gaps_findings(coverage, known, cli_given(call, "strict"), findings);
    coverage_print(cli_given(call, "json") ? "json" : cli_value(call, "format"), coverage, findings);
    if (!write_reports(call, coverage, findings, &error))
        return cli_fail(call, &error);
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
    {.name = "changed-since", .value = "REV", .help = "only what changed since HEAD left this revision"},
    {.name = "strict", .help = "a file that could not be read is a failure"},
    {.name = "json", .help = "short for --format json"},
    {.name = "format",
     .value = "text|json|github|markdown|sarif|junit",
     .help = "how to print the answer (default: text)"},
    {.name = "report",
     .value = "FORMAT=FILE",
     .repeated = true,
     .help = "write the answer to a file too; may be given several times"},
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
