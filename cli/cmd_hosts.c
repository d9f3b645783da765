/* hikeshi hosts: the inventory in service. Other subcommands have files of their own and one line in the table below.
 */
#include "cli/client.h"
#include "cli/cmd_hosts_trust.h"
#include "cli/commands.h"

static int list(struct cli_call *call)
{
    static const char *const headers[] = {"NAME", "ADDRESS", "PORT", "USER", "JUMP", "LABELS", NULL};
    static const char *const paths[] = {"name", "address", "port", "user", "jump", "labels", NULL};
    static const char *const filters[] = {"filter", NULL};
    return client_print_list(call, "/hosts", filters, headers, paths, "no hosts");
}

static const struct cli_option list_options[] = {
    {.name = "filter", .value = "FILTER", .help = "a host filter: 'role=db & env=prod'"},
    CLI_OPTION_COUNT,
    CLI_OPTION_JSON,
    CLI_OPTION_CLIENT,
    CLI_OPTION_END,
};

static const struct cli_subcommand subcommands[] = {
    {"list", "", "hosts of the inventory in service", list_options, list},
    {"trust", "HOST", "put the key that a host shows on file, when it is the right one", cmd_hosts_trust_options,
     cmd_hosts_trust},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct cli_command cmd_hosts = {
    .name = "hosts",
    .summary = "list hosts, trust their keys",
    .subcommands = subcommands,
};
