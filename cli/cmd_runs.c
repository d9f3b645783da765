/* hikeshi runs: what ran, what runs, and what a person may do about it. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/live.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/host_names.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int list(struct cli_call *call)
{
    static const char *const headers[] = {"ID", "*STATE", "RUNBOOK", "CREATED", "BY", "REASON", NULL};
    static const char *const paths[] = {"id", "state", "runbook", "created_at", "requested_by.name", "reason", NULL};
    static const char *const filters[] = {"state", "runbook", "incident", NULL};
    return client_print_list(call, "/runs", filters, headers, paths, "no runs");
}

static void print_step(const json_t *step, struct print_table *table)
{
    const char *error = json_path_string(step, "error.message"), *reason = json_get_string(step, "reason", NULL);
    const json_t *ms = json_object_get(step, "duration_ms");
    g_autofree char *duration = json_is_integer(ms) ? clock_duration_format(json_integer_value(ms)) : NULL;
    const char *result = json_get_string(step, "result", NULL);
    print_table_row(table, (const char *[]){json_get_string(step, "id", NULL),
                                            result ? result : json_get_string(step, "state", NULL), duration,
                                            json_get_string(step, "title", NULL), error ? error : reason});
}

static void print_steps(const json_t *run)
{
    static const char *const headers[] = {"STEP", "*RESULT", "TIME", "TITLE", "WHY", NULL};
    struct print_table *table = print_table_new(headers);
    size_t index;
    json_t *step;
    json_array_foreach (json_object_get(run, "steps"), index, step)
        print_step(step, table);
    printf("\n");
    print_table_end(table, "no steps");
}

/* Hosts of one step that ended alike. */
struct alike {
    const char *step, *result, *why; /* borrowed */
    GPtrArray *hosts;                /* names; borrowed */
};

static void alike_free(void *pointer)
{
    struct alike *alike = pointer;
    g_ptr_array_unref(alike->hosts);
    g_free(alike);
}

static struct alike *alike_of(GPtrArray *groups, const char *step, const json_t *host)
{
    const char *result = json_get_string(host, "result", NULL), *why = json_get_string(host, "error", NULL);
    for (guint i = 0; i < groups->len; i++) {
        struct alike *alike = groups->pdata[i];
        if (g_strcmp0(alike->step, step) == 0 && g_strcmp0(alike->result, result) == 0 &&
            g_strcmp0(alike->why, why) == 0)
            return alike;
    }
    struct alike *alike = g_new(struct alike, 1);
    *alike = (struct alike){step, result, why, g_ptr_array_new()};
    g_ptr_array_add(groups, alike);
    return alike;
}

static void print_alike(struct print_table *table, const struct alike *alike)
{
    g_autofree char *names = host_names_fold(alike->hosts), *count = g_strdup_printf("%u", alike->hosts->len);
    print_table_row(table, (const char *[]){alike->step, alike->result, count, names, alike->why});
}

/* The hosts that did not end well: those are what somebody has to look at. */
static void print_hosts(const json_t *run)
{
    static const char *const headers[] = {"STEP", "*RESULT", "N", "HOSTS", "WHY", NULL};
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(alike_free);
    size_t i, j;
    json_t *step, *host;
    json_array_foreach (json_object_get(run, "steps"), i, step)
        json_array_foreach (json_object_get(step, "hosts"), j, host)
            if (strcmp(json_get_string(host, "result", ""), "ok") != 0)
                g_ptr_array_add(alike_of(groups, json_get_string(step, "id", NULL), host)->hosts,
                                (char *)(uintptr_t)json_get_string(host, "host", "?"));
    if (groups->len == 0)
        return;
    struct print_table *table = print_table_new(headers);
    for (i = 0; i < groups->len; i++)
        print_alike(table, groups->pdata[i]);
    printf("\n");
    print_table_end(table, "");
}

/* Reports and notes, as the live view prints them. */
static void print_said(const json_t *run)
{
    struct live *live = live_new(stdout);
    size_t index;
    json_t *item;
    live_steps(live, json_object_get(run, "steps"));
    json_array_foreach (json_object_get(run, "reports"), index, item) {
        g_autoptr(json_t) event = json_copy(item);
        json_object_set(event, "report_kind", json_object_get(item, "kind"));
        json_object_set_new(event, "kind", json_string("report"));
        live_event(live, event);
    }
    json_array_foreach (json_object_get(run, "notes"), index, item) {
        g_autoptr(json_t) event = json_copy(item);
        json_object_set_new(event, "kind", json_string("note"));
        live_event(live, event);
    }
    live_free(live);
}

static void print_run(const json_t *run)
{
    static const struct {
        const char *name, *path;
    } fields[] = {
        {"run", "id"},
        {"state", "state"},
        {"reason", "reason"},
        {"verified", "verified"},
        {"runbook", "runbook"},
        {"title", "title"},
        {"owner", "owner"},
        {"commit", "commit"},
        {"incident", "incident"},
        {"trigger", "trigger.id"},
        {"by", "requested_by.name"},
        {"params", "params"},
        {"created", "created_at"},
        {"started", "started_at"},
        {"ended", "ended_at"},
        {"rerun of", "rerun_of"},
        {"message", "message"},
        {"data", "data"},
        {"url", "url"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        print_field(fields[i].name, json_path(run, fields[i].path));
    print_steps(run);
    print_hosts(run);
    print_said(run);
}

static int show(struct cli_call *call)
{
    return client_print_one(call, "/runs/", print_run);
}

static int show_log(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(client_t) client = client_new(call, &error);
    enum follow_mode mode = cli_wants_json(call) ? FOLLOW_JSON : FOLLOW_TEXT;
    const char *id = cli_argument(call, 0);
    if (!client)
        return cli_fail(call, &error);
    if (!cli_given(call, "follow"))
        return follow_log(client, id, mode, &error) ? 0 : cli_fail(call, &error);
    g_autoptr(json_t) run = follow_run(client, id, mode, false, &error);
    return run ? run_exit_status(json_get_string(run, "state", NULL)) : cli_fail(call, &error);
}

/* --- a file of a report --- */

/* The last one of that name: the step's last try wrote it. */
static const json_t *find_file(const json_t *run, const char *name)
{
    const json_t *found = NULL;
    size_t index;
    json_t *report;
    json_array_foreach (json_object_get(run, "reports"), index, report)
        if (g_strcmp0(json_get_string(report, "kind", NULL), "file") == 0 &&
            g_strcmp0(json_get_string(report, "name", NULL), name) == 0)
            found = report;
    return found;
}

static GBytes *fetch_file(struct client *client, const char *run, const json_t *report, GError **error)
{
    json_int_t number = json_get_integer(report, "file", 0);
    if (number == 0) {
        errors_set(error, ERROR_NOT_FOUND, "the server does not keep this file any more");
        return NULL;
    }
    g_autofree char *suffix = g_strdup_printf("/files/%" JSON_INTEGER_FORMAT, number);
    g_autofree char *path = client_path("/runs/", run, suffix);
    return client_get_bytes(client, path, error);
}

static bool write_file(const char *path, GBytes *bytes, GError **error)
{
    gsize length;
    const char *data = g_bytes_get_data(bytes, &length);
    if (path)
        return g_file_set_contents(path, data, (gssize)length, error);
    if (fwrite(data, 1, length, stdout) == length && fflush(stdout) == 0)
        return true;
    errors_set(error, ERROR_IO, "cannot write to standard output");
    return false;
}

/* Bytes of hosts do not go to a terminal, which would obey them. */
static int file(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    const char *id = cli_argument(call, 0), *name = cli_argument(call, 1), *output = cli_value(call, "output");
    if (!output && !cli_wants_json(call) && isatty(STDOUT_FILENO))
        return client_usage(call, "a file is not printed on a terminal: --output PATH, or pipe it somewhere");
    g_autoptr(client_t) client = client_new(call, &error);
    g_autofree char *path = client_path("/runs/", id, "");
    g_autoptr(json_t) run = client ? client_get(client, path, &error) : NULL;
    if (!run)
        return cli_fail(call, &error);
    const json_t *report = find_file(run, name);
    if (!report) {
        errors_set(&error, ERROR_NOT_FOUND, "the run has no file '%s'; `hikeshi runs show` lists them", name);
        return cli_fail(call, &error);
    }
    if (cli_wants_json(call)) {
        print_json(report);
        return 0;
    }
    g_autoptr(GBytes) bytes = fetch_file(client, id, report, &error);
    return bytes && write_file(output, bytes, &error) ? 0 : cli_fail(call, &error);
}

/* POSTs and prints the run that the answer holds. */
static int post(struct cli_call *call, const char *suffix, const json_t *body)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(client_t) client = client_new(call, &error);
    g_autofree char *path = client_path("/runs/", cli_argument(call, 0), suffix);
    g_autoptr(json_t) answer = client ? client_post(client, path, body, &error) : NULL;
    if (!answer)
        return cli_fail(call, &error);
    if (cli_wants_json(call)) {
        print_json(answer);
    } else if (json_is_object(answer)) {
        g_autofree char *id = terminal_clean_line(json_get_string(answer, "id", cli_argument(call, 0)));
        g_autofree char *state = terminal_clean_line(json_get_string(answer, "state", "accepted"));
        printf("%s %s\n", id, state);
    }
    return 0;
}

static json_t *with_reason(const struct cli_call *call)
{
    json_t *body = json_object();
    if (cli_given(call, "reason"))
        json_set_string(body, "reason", cli_value(call, "reason"));
    return body;
}

static int cancel(struct cli_call *call)
{
    g_autoptr(json_t) body = with_reason(call);
    return post(call, "/cancel", body);
}

static int rerun(struct cli_call *call)
{
    g_autoptr(json_t) body = with_reason(call);
    if (cli_given(call, "unknown") && !cli_given(call, "failed"))
        return client_usage(call, "--unknown goes with --failed: a run of everything leaves nothing out");
    if (cli_given(call, "failed"))
        json_set_string(body, "only", "failed");
    if (cli_given(call, "unknown"))
        json_set_string(body, "unknown", cli_value(call, "unknown"));
    return post(call, "/rerun", body);
}

static int resolve(struct cli_call *call)
{
    g_autoptr(json_t) body = with_reason(call);
    if (!cli_given(call, "as") || !cli_given(call, "reason"))
        return client_usage(call, "say how the step ended, and how you know: --as ok|failed|rerun --reason TEXT");
    json_set_string(body, "step", cli_argument(call, 1));
    json_set_string(body, "as", cli_value(call, "as"));
    return post(call, "/resolve", body);
}

static const struct cli_option list_options[] = {
    {.name = "state", .value = "STATE", .help = "only runs in this state"},
    {.name = "runbook", .value = "ID", .help = "only runs of this runbook"},
    {.name = "incident", .value = "ID", .help = "only runs for this incident"},
    CLI_OPTION_COUNT,
    CLI_OPTION_END,
};
static const struct cli_option log_options[] = {
    {.name = "follow", .help = "go on until the run has ended; the exit status is the run's"},
    CLI_OPTION_END,
};
static const struct cli_option file_options[] = {
    {.name = "output", .letter = 'o', .value = "PATH", .help = "write it there (default: standard output)"},
    CLI_OPTION_END,
};
static const struct cli_option reason_options[] = {
    {.name = "reason", .value = "TEXT", .help = "kept with the run"},
    CLI_OPTION_END,
};
static const struct cli_option rerun_options[] = {
    {.name = "failed", .help = "only hosts and items of each() that failed or were not reached"},
    {.name = "unknown", .value = "run|skip", .help = "with --failed: what to do where nobody knows how it ended"},
    {.name = "reason", .value = "TEXT", .help = "kept with the run"},
    CLI_OPTION_END,
};
static const struct cli_option resolve_options[] = {
    {.name = "as", .value = "ok|failed|rerun", .help = "how the step ended, or that it may run again"},
    {.name = "reason", .value = "TEXT", .help = "how you know; required"},
    CLI_OPTION_END,
};

static const struct cli_subcommand subcommands[] = {
    {"list", "", "runs, newest first", list_options, list},
    {"show", "RUN", "one run: steps, reports, notes", NULL, show},
    {"log", "RUN", "what happened, with output", log_options, show_log},
    {"file", "RUN NAME", "a file that a step left with report.file()", file_options, file},
    {"cancel", "RUN", "cancel a run and stop its remote commands", reason_options, cancel},
    {"rerun", "RUN", "start the same runbook with the same params again", rerun_options, rerun},
    {"resolve", "RUN STEP", "say how a step ended that nobody saw end", resolve_options, resolve},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct cli_option options[] = {CLI_OPTION_JSON, CLI_OPTION_CLIENT, CLI_OPTION_END};

const struct cli_command cmd_runs = {
    .name = "runs",
    .summary = "list, show, follow, cancel, rerun and resolve runs",
    .options = options,
    .subcommands = subcommands,
};
