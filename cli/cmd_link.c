/* hikeshi link: the address of the page from which people start a runbook. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/print.h"
#include "core/errors.h"
#include <stdio.h>

/* A link that leads nowhere, or fills in what is not there, is found before somebody clicks it. */
static bool check(const json_t *runbook, const json_t *params, GError **error)
{
    const char *id = json_get_string(runbook, "id", "?"), *name;
    json_t *value;
    if (!json_find(json_object_get(runbook, "triggers"), "kind", "link")) {
        errors_set(error, ERROR_INVALID, "the runbook '%s' has no trigger of kind link", id);
        return false;
    }
    json_object_foreach ((json_t *)params, name, value)
        if (!json_find(json_object_get(runbook, "params"), "name", name)) {
            errors_set(error, ERROR_INVALID, "the runbook '%s' has no param '%s'", id, name);
            return false;
        }
    return true;
}

static char *address(const struct client *client, const char *runbook, const json_t *params)
{
    g_autofree char *id = g_uri_escape_string(runbook, "/:", FALSE);
    GString *link = g_string_new(client_url(client));
    const char *name;
    json_t *value;
    char separator = '?';
    g_string_append_printf(link, "/go/%s", id);
    json_object_foreach ((json_t *)params, name, value) {
        g_autofree char *text = g_uri_escape_string(json_string_value(value), NULL, FALSE);
        g_string_append_printf(link, "%c%s=%s", separator, name, text);
        separator = '&';
    }
    return g_string_free(link, FALSE);
}

static int run(struct cli_call *call)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) params = cli_params(call, &error), runbook = NULL;
    g_autoptr(client_t) client = params ? client_new(call, &error) : NULL;
    g_autofree char *path = client_path("/runbooks/", cli_argument(call, 0), "");
    if (client)
        runbook = client_get(client, path, &error);
    if (!runbook || !check(runbook, params, &error))
        return cli_fail(call, &error);
    g_autofree char *link = address(client, json_get_string(runbook, "id", cli_argument(call, 0)), params);
    if (cli_wants_json(call)) {
        g_autoptr(json_t) answer = json_pack("{s:s}", "url", link);
        print_json(answer);
    } else {
        printf("%s\n", link);
    }
    return 0;
}

static const struct cli_option options[] = {CLI_OPTION_PARAM, CLI_OPTION_JSON, CLI_OPTION_CLIENT, CLI_OPTION_END};

const struct cli_command cmd_link = {
    .name = "link",
    .arguments = "RUNBOOK",
    .summary = "print the link to the page from which people start a runbook",
    .details = "The runbook has a trigger of kind link. Params that are given are filled in; whoever opens the page "
               "sees them, may\n"
               "change them, and starts the run with an API token of their own. Opening the page starts nothing.",
    .options = options,
    .run = run,
};
