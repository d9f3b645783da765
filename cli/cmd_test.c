/* hikeshi test: cases of runbooks (*.test.yaml), without a network and in virtual time. */
#include "cli/commands.h"
#include "cli/test_file.h"
#include "cli/test_pool.h"
#include "cli/test_print.h"
#include "core/errors.h"
#include <stdio.h>

#define MAX_JOBS 64

struct testing {
    const struct test_format *format;
    struct test_sums sums;
    json_t *results;
    json_t *coverage; /* {RUNBOOK: as test_coverage_json(), of all files that test it} */
};

static void add_coverage(struct testing *testing, const json_t *coverage)
{
    const char *file = json_get_string(coverage, "file", NULL);
    json_t *known = file != NULL ? json_object_get(testing->coverage, file) : NULL;
    if (known != NULL)
        test_coverage_merge(known, coverage);
    else if (file != NULL)
        json_object_set_new(testing->coverage, file, json_deep_copy(coverage));
}

static void sum_coverage(struct testing *testing, struct finding_list *unreached)
{
    const char *file;
    json_t *coverage;
    json_object_foreach (testing->coverage, file, coverage)
        test_coverage_findings(coverage, &testing->sums.coverage, unreached);
    finding_sort(unreached);
}

static void on_result(void *arg, const json_t *result)
{
    struct testing *testing = arg;
    test_sums_add(&testing->sums, result);
    json_array_append(testing->results, (json_t *)result);
    add_coverage(testing, json_object_get(result, "coverage"));
    if (testing->format->file != NULL)
        testing->format->file(result);
}

/* One file needs no other process. */
static void run_all(const GPtrArray *files, const char *only, guint jobs, struct testing *testing)
{
    const struct test_pool_options options = {
        .files = files, .only = only, .workers = jobs, .result = on_result, .arg = testing};
    if (jobs > 1 && files->len > 1) {
        test_pool_run(&options);
        return;
    }
    struct test_files *runner = test_files_new(only);
    for (guint i = 0; i < files->len; i++) {
        g_autoptr(json_t) result = test_files_run(runner, files->pdata[i]);
        on_result(testing, result);
    }
    test_files_free(runner);
}

static int test(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_copy(call->arguments, NULL, NULL);
    gint64 jobs = g_get_num_processors();
    if (paths->len == 0)
        g_ptr_array_add(paths, (char *)".");
    g_ptr_array_add(paths, NULL);
    if (!cli_integer(call, "jobs", 1, MAX_JOBS, &jobs, &error))
        return cli_fail(call, &error);
    g_autoptr(GPtrArray) files = test_files_find((const char *const *)paths->pdata, &error);
    if (files == NULL)
        return cli_fail(call, &error);
    const char *format = cli_wants_json(call) ? "json" : cli_value(call, "format");
    g_autoptr(json_t) results = json_array(), coverage = json_object();
    g_autoptr(finding_list) unreached = finding_list_new(), nothing = finding_list_new();
    struct testing testing = {
        .format = test_format_find(format != NULL ? format : "text"), .results = results, .coverage = coverage};
    run_all(files, cli_value(call, "case"), (guint)jobs, &testing);
    sum_coverage(&testing, unreached);
    testing.sums.unreached = cli_given(call, "coverage") ? unreached : nothing;
    testing.format->end(results, &testing.sums);
    if (testing.sums.cases == 0 && testing.sums.failed == 0)
        fprintf(stderr, "hikeshi test: no case was found; cases stand in files named *.test.yaml\n");
    return testing.sums.failed > 0 || testing.sums.cases == 0 ? 1 : 0;
}

static const struct cli_option options[] = {
    {.name = "case", .value = "TEXT", .help = "only cases whose name holds this text"},
    {.name = "coverage", .help = "list the steps and conditions that no case comes to"},
    {.name = "jobs", .value = "N", .help = "files at a time (default: one a processor)"},
    {.name = "json", .help = "short for --format json"},
    {.name = "format", .value = "text|json|github|junit", .help = "how to print the results (default: text)"},
    CLI_OPTION_END,
};

const struct cli_command cmd_test = {
    .name = "test",
    .arguments = "[PATH...]",
    .summary = "run the tests of runbooks",
    .details =
        "Runs the cases of every *.test.yaml below the paths (default: the current folder): the runbook's own Lua, "
        "hosts that\n"
        "answer what the case says, no network, no waiting. A command that the case does not know, an answer that "
        "nobody\n"
        "asks for, or another outcome fails it. `hikeshi run --record FILE` writes a first case.\n\n"
        "Exit status: 0 all passed, 1 a case failed or there is none, 2 wrong usage.",
    .options = options,
    .run = test,
};

static int worker(struct cli_call *call)
{
    return test_pool_worker(cli_value(call, "case"));
}

static const struct cli_option worker_options[] = {
    {.name = "case", .value = "TEXT", .help = "only cases whose name holds this text"},
    CLI_OPTION_END,
};

const struct cli_command cmd_test_worker = {
    .name = "test-worker",
    .arguments = "",
    .summary = "run the files named on standard input (started by test)",
    .hidden = true,
    .options = worker_options,
    .run = worker,
};
