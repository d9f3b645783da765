/* hikeshi coverage: which workloads and alerts have no runbook. For people, and for CI. */
#include "cli/commands.h"
#include "cli/coverage_evidence.h"
#include "cli/coverage_formats.h"
#include "cli/terminal.h"
#include "core/errors.h"
#include "jobs/coverage/coverage.h"
#include "jobs/coverage/gaps.h"
#include "jobs/coverage/links.h"
#include "jobs/coverage/skeleton.h"
#include <stdio.h>
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

static bool check_reports(const struct cli_call *call, GError **error)
{
    GPtrArray *reports = cli_values(call, "report");
    for (guint i = 0; reports && i < reports->len; i++)
        if (!coverage_report_check(reports->pdata[i], error))
            return false;
    return true;
}

/* One run of the command. */
struct work {
    const struct cli_call *call;
    double minimum;
    const char *baseline;
    char *config, *teams; /* paths */
    struct coverage_settings *settings;
    GHashTable *known; /* the baseline's gaps; may be NULL */
    struct coverage *coverage;
    struct finding_list *findings;
};

static void work_clear(struct work *work)
{
    g_free(work->config);
    g_free(work->teams);
    coverage_settings_free(work->settings);
    g_clear_pointer(&work->known, g_hash_table_unref);
    coverage_free(work->coverage);
    finding_list_free(work->findings);
}

/* Usage that must not first cost a reading of everything. */
static bool check_usage(struct work *work, GError **error)
{
    const struct cli_call *call = work->call;
    const char *wrong = NULL, *config = cli_value(call, "config");
    if (!cli_given(call, "manifests") && !cli_given(call, "alerts"))
        wrong = "give --manifests DIR, --alerts DIR, or both";
    else if (!cli_given(call, "runbooks"))
        wrong = "give --runbooks DIR";
    else if (cli_given(call, "write-baseline") && !work->baseline)
        wrong = "--write-baseline needs --baseline FILE";
    else if (cli_given(call, "write-baseline") && cli_given(call, "changed-since"))
        wrong = "--write-baseline writes all gaps: not with --changed-since";
    else if (cli_given(call, "write-baseline") && cli_given(call, "fix"))
        wrong = "--fix writes the documents, --write-baseline says that they are not needed: give one of them";
    else if (cli_given(call, "token-file") && !cli_given(call, "server"))
        wrong = "--token-file is for --server";
    if (wrong)
        errors_set(error, ERROR_USAGE, "%s", wrong);
    else if (config && !g_file_test(config, G_FILE_TEST_EXISTS))
        errors_set(error, ERROR_USAGE, "--config: there is no file '%s'", config);
    return !*error && read_minimum(call, &work->minimum, error) && check_reports(call, error);
}

static bool read_all(struct work *work, GError **error)
{
    const struct cli_call *call = work->call;
    const char *since = cli_value(call, "changed-since");
    g_auto(GStrv) manifests = paths_of(call, "manifests"), alerts = paths_of(call, "alerts"),
                  runbooks = paths_of(call, "runbooks");
    struct scan_paths paths = {manifests, alerts, runbooks};
    struct coverage_options options = {since, cli_given(call, "strict"), cli_given(call, "render")};
    g_autoptr(scan_t) scan = scan_new(&paths, work->settings, since != NULL, error);
    coverage_free(work->coverage);
    work->coverage = scan ? coverage_read(scan, work->settings, &options, error) : NULL;
    return work->coverage != NULL;
}

static bool read_settings(struct work *work, GError **error)
{
    const char *config = cli_value(work->call, "config");
    work->config = g_strdup(config ? config : "hikeshi/coverage.yaml");
    g_autofree char *folder = g_path_get_dirname(work->config);
    work->teams = g_build_filename(folder, "teams.yaml", NULL);
    work->settings = coverage_settings_read(work->config, error);
    if (work->settings && work->baseline && !cli_given(work->call, "write-baseline"))
        work->known = baseline_read(work->baseline, error);
    return !*error;
}

static void tell_created(const char *file, const char *problem)
{
    g_autofree char *safe = terminal_clean_line(file);
    if (problem)
        fprintf(stderr, "hikeshi coverage: did not create %s: %s\n", safe, problem);
    else
        fprintf(stderr, "hikeshi coverage: created %s\n", safe);
}

/* What --fix creates is read like everything else: the answer is about the repository as it is left. */
static bool fix(struct work *work, GError **error)
{
    return skeleton_write(work->coverage, work->known, tell_created) == 0 || read_all(work, error);
}

static bool find_all(struct work *work, GError **error)
{
    struct say say = {work->settings, work->findings};
    g_autoptr(json_t) report = coverage_test_report(work->call, error);
    g_autoptr(GHashTable) runs = *error ? NULL : coverage_runs(work->call, work->coverage, error);
    if (*error)
        return false;
    struct fresh_evidence evidence = {work->teams, report, runs};
    g_autofree char *note = NULL;
    gaps_findings(work->coverage, work->known, cli_given(work->call, "strict"), &say);
    links_findings(work->coverage, &say);
    fresh_findings(work->coverage, &evidence, &say, &note);
    finding_sort(work->findings);
    if (note)
        fprintf(stderr, "hikeshi coverage: %s\n", note);
    return true;
}

/* Strict, and something could not be read: never a success. */
static bool unread(const struct work *work)
{
    return cli_given(work->call, "strict") && work->coverage->skipped->len > 0;
}

/* 0 when what was asked for holds: no error, where with --min the gaps count as a whole; and, when strict, all was
 * read. */
static int verdict(const struct work *work)
{
    bool counted = work->minimum >= 0;
    if (unread(work))
        return 1;
    if (counted && coverage_percent(work->coverage) + 1e-9 < work->minimum)
        return 1;
    for (size_t i = 0; i < finding_count(work->findings); i++) {
        const struct finding *finding = finding_at(work->findings, i);
        if (finding->level == FINDING_ERROR && !(counted && rule_is_gap(finding->rule)))
            return 1;
    }
    return 0;
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

static int coverage_command(struct cli_call *call)
{
    GError *error = NULL;
    struct work work = {.call = call, .baseline = cli_value(call, "baseline"), .findings = finding_list_new()};
    int status = 0;
    bool fine = check_usage(&work, &error) && read_settings(&work, &error) && read_all(&work, &error);
    if (fine && cli_given(call, "fix"))
        fine = fix(&work, &error);
    if (fine && cli_given(call, "write-baseline")) {
        fine = baseline_write(work.baseline, work.coverage, &error);
        status = unread(&work);
    } else if (fine && (fine = find_all(&work, &error))) {
        coverage_print(cli_given(call, "json") ? "json" : cli_value(call, "format"), work.coverage, work.findings);
        fine = write_reports(call, work.coverage, work.findings, &error);
        status = verdict(&work);
    }
    if (!fine)
        status = cli_fail(call, &error);
    work_clear(&work);
    return status;
}

static const struct cli_option options[] = {
    {.name = "manifests", .value = "DIR", .repeated = true, .help = "Kubernetes manifests"},
    {.name = "alerts", .value = "DIR", .repeated = true, .help = "PrometheusRule objects or rule files"},
    {.name = "runbooks", .value = "DIR", .repeated = true, .help = "runbooks and documents"},
    {.name = "config", .value = "FILE", .help = "default: hikeshi/coverage.yaml, if it is there"},
    {.name = "min", .value = "PCT", .help = "succeed when at least this much is covered"},
    {.name = "baseline", .value = "FILE", .help = "gaps that are known already do not count"},
    {.name = "write-baseline", .help = "write today's gaps to the baseline"},
    {.name = "changed-since", .value = "REV", .help = "only what changed since HEAD left this revision"},
    {.name = "fix", .help = "create a skeleton document for every gap; overwrites nothing"},
    {.name = "render", .help = "read Helm charts and kustomizations as helm and kustomize render them"},
    {.name = "strict", .help = "a file that could not be read is a failure"},
    {.name = "tests", .value = "FILE", .help = "what 'hikeshi test --format json' printed: failing tests are told"},
    {.name = "server", .value = "URL", .help = "ask this server when each runbook last succeeded"},
    {.name = "token-file", .value = "PATH", .help = "for --server; default: $HIKESHI_TOKEN, else ./data/admin-token"},
    {.name = "json", .help = "short for --format json"},
    {.name = "format",
     .value = "text|json|github|markdown|sarif|junit",
     .help = "how to print the answer (default: text)"},
    {.name = "report", .value = "FORMAT=FILE", .repeated = true, .help = "write the answer to a file too"},
    CLI_OPTION_END,
};

const struct cli_command cmd_coverage = {
    .name = "coverage",
    .arguments = "",
    .summary = "which workloads and alerts have no runbook",
    .details =
        "Compares manifests and alert rules with runbooks and documents, and says which have none, and which "
        "documents\n"
        "cover nothing, are out of date or have dead links. hikeshi/coverage.yaml sets what is ignored and how bad "
        "each\n"
        "finding is.\n\n"
        "In a pull request: --changed-since origin/main. With gaps that are known already: --baseline. In GitHub\n"
        "Actions: --format github.\n\n"
        "Exit status: 0 covered, 1 there are gaps (or other errors), 2 wrong usage or a path that cannot be read, 3 "
        "and 4\n"
        "the server cannot be reached, or refuses.",
    .options = options,
    .run = coverage_command,
};
