/* hikeshi start: asks the server to start a runbook. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/live.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include <stdio.h>

static void print_started(const json_t *run)
{
    g_autofree char *id = terminal_clean_line(json_get_string(run, "id", "?"));
    g_autofree char *state = terminal_clean_line(json_get_string(run, "state", "?"));
    g_autofree char *url = terminal_clean_line(json_get_string(run, "url", ""));
    g_autofree char *reason = terminal_clean_line(json_get_string(run, "reason", ""));
    printf("%s %s%s%s%s%s%s %s\n", id, terminal_style(stdout, terminal_state_style(state)), state,
           terminal_style(stdout, STYLE_RESET), *reason ? " (" : "", reason, *reason ? ")" : "", url);
}

/* Waits in the way that was asked for: the run as it is then, or NULL. */
static json_t *wait_for(struct cli_call *call, struct client *client, const char *id, GError **error)
{
    enum follow_mode mode = !cli_given(call, "follow") ? FOLLOW_SILENT
                            : cli_wants_json(call)     ? FOLLOW_JSON
                                                       : FOLLOW_TEXT;
    return follow_run(client, id, mode, cli_given(call, "wait"), error);
}

static int start(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) params = cli_params(call, &error);
    g_autoptr(client_t) client = params ? client_new(call, &error) : NULL;
    if (!client)
        return cli_fail(call, &error);
    g_autoptr(json_t) body = json_pack("{s:s, s:O}", "runbook", cli_argument(call, 0), "params", params);
    static const char *const said[] = {"reason", "incident", "alert"};
    for (size_t i = 0; i < G_N_ELEMENTS(said); i++)
        if (cli_given(call, said[i]))
            json_set_string(body, said[i], cli_value(call, said[i]));
    g_autoptr(json_t) run = client_post(client, "/runs", body, &error);
    if (!run)
        return cli_fail(call, &error);
    bool json = cli_wants_json(call), wait = cli_given(call, "wait") || cli_given(call, "follow");
    if (!json)
        print_started(run);
    if (!wait) {
        if (json)
            print_json(run);
        return 0;
    }
    g_autoptr(json_t) ended = wait_for(call, client, json_get_string(run, "id", ""), &error);
    if (!ended)
        return cli_fail(call, &error);
    if (json && cli_given(call, "follow"))
        print_json_line(ended);
    else if (json)
        print_json(ended);
    else if (!cli_given(call, "follow"))
        print_started(ended);
    return run_exit_status(json_get_string(ended, "state", NULL));
}

static const struct cli_option options[] = {
    CLI_OPTION_PARAM,
    {.name = "wait", .help = "wait until the run has ended or waits for approval; the exit status tells"},
    {.name = "follow", .help = "print what happens until the run has ended; with --wait, until it waits for approval"},
    {.name = "incident",
     .value = "ID",
     .help = "the incident that the run is for; params with 'from' are taken from it"},
    {.name = "alert", .value = "ID", .help = "one alert of that incident"},
    {.name = "reason", .value = "TEXT", .help = "kept with the run; lets it pass cooldown, max_runs and breaker"},
    CLI_OPTION_JSON,
    CLI_OPTION_CLIENT,
    CLI_OPTION_END,
};

const struct cli_command cmd_start = {
    .name = "start",
    .arguments = "RUNBOOK",
    .summary = "start a runbook on the server",
    .details = "With --wait or --follow the exit status is the run's: 0 succeeded, 1 failed, 4 denied or expired, 5 it "
               "waits for\n"
               "approval (--wait only), 6 unknown. Ctrl-C leaves the run running; 'hikeshi runs cancel ID' cancels it.",
    .options = options,
    .run = start,
};
