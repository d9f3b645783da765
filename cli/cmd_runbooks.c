/* hikeshi runbooks: what is in service. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/print.h"
#include <stdio.h>

static int list(struct cli_call *call)
{
    static const char *const headers[] = {"ID", "KIND", "OWNER", "SEVERITY", "TITLE", NULL};
    static const char *const paths[] = {"id", "kind", "owner", "severity", "title", NULL};
    static const char *const filters[] = {"kind", "owner", NULL};
    return client_print_list(call, "/runbooks", filters, headers, paths,
                             "no runbooks in service; 'hikeshi runbooks findings' says what is wrong in files");
}

static void print_params(const json_t *runbook)
{
    static const char *const headers[] = {"PARAM", "TYPE", "REQUIRED", "DEFAULT", "FROM", "DESCRIPTION", NULL};
    static const char *const paths[] = {"name", "type", "required", "default", "from", "description", NULL};
    if (json_array_size(json_object_get(runbook, "params")) == 0)
        return;
    printf("\n");
    print_items(json_object_get(runbook, "params"), headers, paths, "");
}

static void print_triggers(const json_t *runbook)
{
    static const char *const headers[] = {"TRIGGER", "KIND", "MATCH", "CRON", "ZONE", NULL};
    static const char *const paths[] = {"id", "kind", "match", "cron", "timezone", NULL};
    if (json_array_size(json_object_get(runbook, "triggers")) == 0)
        return;
    printf("\n");
    print_items(json_object_get(runbook, "triggers"), headers, paths, "");
}

static void print_steps(const json_t *runbook)
{
    static const char *const headers[] = {"STEP", "LANGUAGE", "EFFECT", "APPROVE", "HOSTS", "TITLE", NULL};
    static const char *const paths[] = {"id", "language", "effect", "approve", "hosts", "title", NULL};
    if (json_array_size(json_object_get(runbook, "steps")) == 0)
        return;
    printf("\n");
    print_items(json_object_get(runbook, "steps"), headers, paths, "");
}

static void print_runbook(const json_t *runbook)
{
    static const char *const fields[] = {"id",       "title",  "path",  "repository", "commit", "owner",
                                         "severity", "covers", "hosts", "secrets",    "aliases"};
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        const json_t *value = json_object_get(runbook, fields[i]);
        if (!json_is_array(value) || json_array_size(value))
            print_field(fields[i], value);
    }
    print_params(runbook);
    print_triggers(runbook);
    print_steps(runbook);
}

static int show(struct cli_call *call)
{
    return client_print_one(call, "/runbooks/", print_runbook);
}

static int findings(struct cli_call *call)
{
    static const char *const headers[] = {"LEVEL", "FILE", "LINE", "RULE", "MESSAGE", NULL};
    static const char *const paths[] = {"level", "file", "line", "rule", "message", NULL};
    static const char *const filters[] = {"level", NULL};
    return client_print_list(call, "/findings", filters, headers, paths, "nothing is wrong");
}

static const struct cli_option list_options[] = {
    {.name = "kind", .value = "runbook|document", .help = "only these"},
    {.name = "owner", .value = "TEAM", .help = "only those of this owner"},
    CLI_OPTION_COUNT,
    CLI_OPTION_END,
};
static const struct cli_option finding_options[] = {
    {.name = "level", .value = "note|warning|error", .help = "only these"},
    CLI_OPTION_COUNT,
    CLI_OPTION_END,
};

static const struct cli_subcommand subcommands[] = {
    {"list", "", "runbooks and documents in service", list_options, list},
    {"show", "RUNBOOK", "one runbook: params, triggers, steps", NULL, show},
    {"findings", "", "what is wrong in the repositories' files", finding_options, findings},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct cli_option options[] = {CLI_OPTION_JSON, CLI_OPTION_CLIENT, CLI_OPTION_END};

const struct cli_command cmd_runbooks = {
    .name = "runbooks",
    .summary = "list and show what the server has in service",
    .options = options,
    .subcommands = subcommands,
};
