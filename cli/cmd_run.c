/* hikeshi run: one runbook file, here and now, without a server: the way to write a runbook. */
#include "cli/commands.h"
#include "cli/local_job.h"
#include "cli/place.h"
#include "cli/print.h"
#include "cli/run_choice.h"
#include "cli/run_local.h"
#include "cli/run_plan.h"
#include "cli/ssh_options.h"
#include "core/config.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "jobs/catalog.h"
#include "runner/settings.h"
#include <stdio.h>

#define EVENT_FILE_BYTES (4 * 1024 * 1024)

/* --- the job --------------------------------------------------------------------------------------------------------
 */

/* --alert FILE.json, --incident FILE.json: what a trigger would have given the run. Null without. */
static json_t *read_event(const struct cli_call *call, const char *option, GError **error)
{
    const char *path = cli_value(call, option);
    g_autofree char *text = NULL;
    gsize length;
    if (path == NULL)
        return json_null();
    if (!g_file_get_contents(path, &text, &length, NULL) || length > EVENT_FILE_BYTES) {
        errors_set(error, ERROR_USAGE, "--%s: '%s' cannot be read, or is over %d MiB", option, path,
                   EVENT_FILE_BYTES / 1024 / 1024);
        return NULL;
    }
    json_t *value = json_parse(text, length, path, error);
    if (value != NULL && !json_is_object(value)) {
        errors_set(error, ERROR_USAGE, "--%s: '%s' holds no JSON object", option, path);
        g_clear_pointer(&value, json_decref);
    }
    return value;
}

static json_t *read_context(const struct cli_call *call, GError **error)
{
    g_autoptr(json_t) alert = read_event(call, "alert", error);
    g_autoptr(json_t) incident = alert ? read_event(call, "incident", error) : NULL;
    return incident ? json_pack("{s:O, s:O}", "incident", incident, "alert", alert) : NULL;
}

static json_t *make_job(const struct cli_call *call, const struct runbook *runbook, const struct catalog_set *set,
                        const struct config *config, GError **error)
{
    g_autoptr(json_t) given = cli_params(call, error);
    g_autoptr(json_t) context = given ? read_context(call, error) : NULL;
    if (context == NULL)
        return NULL;
    g_autofree char *id = crypto_id("run");
    const struct local_start start = {.runbook = runbook,
                                      .set = set,
                                      .params = given,
                                      .alert = json_object_get(context, "alert"),
                                      .incident = json_object_get(context, "incident"),
                                      .id = id,
                                      .by = g_get_user_name(),
                                      .secrets = config_tree(config, "secrets")};
    return local_job_new(&start, error);
}

/* --- the command ----------------------------------------------------------------------------------------------------
 */

static bool approvals_exist(const struct runbook *runbook, const GPtrArray *steps, GError **error)
{
    for (guint i = 0; steps && i < steps->len; i++) {
        const struct step *step = runbook_step(runbook, steps->pdata[i]);
        if (step == NULL || step->approve == NULL) {
            errors_set(error, ERROR_USAGE, "--approve: the runbook has no step '%s' that needs an approval",
                       (const char *)steps->pdata[i]);
            return false;
        }
    }
    return true;
}

static bool inputs_exist(const struct runbook *runbook, const json_t *inputs, GError **error)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)inputs, name, value)
        if (!runbook_input(runbook, name)) {
            errors_set(error, ERROR_USAGE, "--input: the runbook has no input '%s'", name);
            return false;
        }
    return inputs != NULL;
}

static bool usage_is_good(const struct cli_call *call, const struct runbook *runbook, GError **error)
{
    const char *record = cli_value(call, "record");
    g_autoptr(json_t) inputs = cli_inputs(call, error);
    if (!inputs_exist(runbook, inputs, error) || !approvals_exist(runbook, cli_values(call, "approve"), error))
        return false;
    if (cli_value(call, "files") != NULL && !g_file_test(cli_value(call, "files"), G_FILE_TEST_IS_DIR)) {
        errors_set(error, ERROR_USAGE, "--files: there is no folder '%s'", cli_value(call, "files"));
        return false;
    }
    if (record != NULL && (cli_given(call, "plan") || cli_given(call, "dry-run"))) {
        errors_set(error, ERROR_USAGE, "--record needs a whole run: not with --plan or --dry-run");
        return false;
    }
    return record == NULL || test_record_possible(record, error);
}

static int dry_run(const struct cli_call *call, const json_t *job)
{
    g_autoptr(json_t) plan = run_plan_new(job);
    if (cli_wants_json(call))
        print_json(plan);
    else
        run_plan_print(plan, "dry run: nothing is executed", stdout);
    return run_plan_good(plan) ? 0 : 1;
}

/* What is run, as it was found. */
struct found {
    const struct place *place;
    const struct config *config;
    const struct runbook *runbook;
    const struct catalog_set *set;
};

static int execute(struct cli_call *call, const struct found *found, json_t *job, struct test_record *record)
{
    struct ssh_options ssh;
    g_autoptr(GError) error = NULL;
    g_autoptr(reach_t) reach = settings_reach(found->config, &error);
    if (reach == NULL)
        return cli_fail(call, &error);
    g_autoptr(json_t) inputs = cli_inputs(call, NULL); /* again: usage_is_good() has looked at them */
    ssh_options_read(call, found->config, &ssh);
    const struct run_local_options options = {.job = job,
                                              .ssh = &ssh.settings,
                                              .approve = cli_values(call, "approve"),
                                              .exec = config_bool(found->config, "runner.exec"),
                                              .reach = reach,
                                              .inputs = inputs,
                                              .inventory = found->set->inventory,
                                              .read_only = cli_given(call, "plan"),
                                              .files = cli_value(call, "files"),
                                              .json = cli_wants_json(call),
                                              .record = record};
    int status = run_local(&options);
    ssh_options_clear(&ssh);
    return status;
}

static int run_job(struct cli_call *call, const struct found *found, json_t *job)
{
    g_autofree char *path = g_build_filename(found->place->root, found->place->path, NULL);
    g_autoptr(json_t) given = cli_params(call, NULL); /* again: job_new() has looked at them */
    struct test_record record = {
        .path = cli_value(call, "record"), .runbook_path = path, .runbook_id = found->runbook->id, .given = given};
    if (cli_given(call, "dry-run"))
        return dry_run(call, job);
    return execute(call, found, job, record.path != NULL ? &record : NULL);
}

static int run_file(struct cli_call *call, const struct place *place, const struct config *config)
{
    g_autoptr(GError) error = NULL;
    struct catalog_set *set = NULL;
    const struct runbook *runbook = place_load(place, &set, &error);
    g_autoptr(json_t) job = NULL;
    if (runbook != NULL && usage_is_good(call, runbook, &error))
        job = make_job(call, runbook, set, config, &error);
    if (job != NULL && !run_choice_apply(call, job, &error))
        g_clear_pointer(&job, json_decref);
    int status;
    if (job == NULL)
        status = cli_fail(call, &error);
    else
        status = run_job(call, &(struct found){place, config, runbook, set}, job);
    if (set != NULL)
        catalog_set_unref(set);
    return status;
}

static int run(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(config_t) config = config_load(cli_value(call, "config"), NULL, &error);
    struct place place = {0};
    if (config == NULL || !place_find(cli_argument(call, 0), &place, &error))
        return cli_fail(call, &error);
    int status = run_file(call, &place, config);
    place_clear(&place);
    return status;
}

static const struct cli_option options[] = {
    CLI_OPTION_PARAM,
    {.name = "dry-run", .help = "execute nothing: print the steps with their hosts and the params"},
    {.name = "plan", .help = "run the steps that only look, up to the first that changes something; print the rest"},
    {.name = "step", .value = "STEP", .repeated = true, .help = "run only this step"},
    {.name = "from-step", .value = "STEP", .help = "leave out the steps before this one"},
    {.name = "data", .value = "FILE.json", .help = "what earlier steps would have left in `data`"},
    {.name = "record", .value = "FILE.test.yaml", .help = "write what hosts answered as a case for `hikeshi test`"},
    {.name = "files", .value = "DIR", .help = "write the files that steps leave with report.file() into this folder"},
    {.name = "approve", .value = "STEP", .repeated = true, .help = "approve this step in advance"},
    CLI_OPTION_INPUT,
    {.name = "alert", .value = "FILE.json", .help = "the alert that the run is for: {\"name\",\"labels\",…}"},
    {.name = "incident", .value = "FILE.json", .help = "the incident that the run is for"},
    CLI_OPTION_SSH,
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};

const struct cli_command cmd_run = {
    .name = "run",
    .arguments = "FILE.md",
    .summary = "run a runbook file here, without a server",
    .details =
        "Hosts come from hikeshi/inventory.yaml of the file's repository: the nearest folder above with .git or "
        "hikeshi/.\n"
        "A step that needs an approval asks on the terminal; without one it does not run (exit status 5), unless "
        "--approve\n"
        "names it. Ctrl-C cancels and waits until hosts confirm that it stopped; a second one leaves.\n\n"
        "Exit status: 0 succeeded, 1 failed or cancelled, 2 wrong usage, 4 denied, 5 waits for an approval, 6 unknown.",
    .options = options,
    .run = run,
};
