/* hikeshi incidents: what senders told, and what was done about it. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include <stdio.h>

static int list(struct cli_call *call)
{
    static const char *const headers[] = {"ID", "*STATUS", "SEVERITY", "SOURCE", "OPENED", "TITLE", NULL};
    static const char *const paths[] = {"id", "status", "severity", "source", "opened_at", "title", NULL};
    static const char *const filters[] = {"status", "source", NULL};
    return client_print_list(call, "/incidents", filters, headers, paths, "no incidents");
}

static void print_alerts(const json_t *incident)
{
    static const char *const headers[] = {"ALERT", "*STATUS", "SINCE", "LABELS", NULL};
    static const char *const paths[] = {"name", "status", "starts_at", "labels", NULL};
    printf("\n");
    print_items(json_object_get(incident, "alerts"), headers, paths, "no alerts");
}

static void print_documents(const json_t *incident)
{
    static const char *const headers[] = {"DOCUMENT", "BY", NULL};
    static const char *const paths[] = {"path", "by", NULL};
    if (json_array_size(json_object_get(incident, "documents")) == 0)
        return;
    printf("\n");
    print_items(json_object_get(incident, "documents"), headers, paths, "");
}

static void print_timeline(const json_t *incident)
{
    static const char *const headers[] = {"AT", "WHAT", "BY", "TEXT", NULL};
    static const char *const paths[] = {"at", "kind", "actor", "text", NULL};
    printf("\n");
    print_items(json_object_get(incident, "timeline"), headers, paths, "nothing happened yet");
}

static void print_incident(const json_t *incident)
{
    static const struct {
        const char *name, *key;
    } fields[] = {
        {"incident", "id"},
        {"title", "title"},
        {"status", "status"},
        {"severity", "severity"},
        {"source", "source"},
        {"key", "key"},
        {"service", "service"},
        {"team", "team"},
        {"labels", "labels"},
        {"opened", "opened_at"},
        {"acknowledged", "acknowledged_at"},
        {"resolved", "resolved_at"},
        {"runs", "runs"},
        {"url", "url"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        print_field(fields[i].name, json_object_get(incident, fields[i].key));
    print_alerts(incident);
    print_documents(incident);
    print_timeline(incident);
}

static int show(struct cli_call *call)
{
    return client_print_one(call, "/incidents/", print_incident);
}

static const struct cli_option list_options[] = {
    {.name = "status", .value = "STATUS", .help = "triggered, acknowledged or resolved"},
    {.name = "source", .value = "NAME", .help = "only incidents of this source"},
    CLI_OPTION_COUNT,
    CLI_OPTION_END,
};

static const struct cli_subcommand subcommands[] = {
    {"list", "", "incidents, newest first", list_options, list},
    {"show", "INCIDENT", "one incident: alerts, documents, timeline", NULL, show},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct cli_option options[] = {CLI_OPTION_JSON, CLI_OPTION_CLIENT, CLI_OPTION_END};

const struct cli_command cmd_incidents = {
    .name = "incidents",
    .summary = "list and show incidents",
    .options = options,
    .subcommands = subcommands,
};
