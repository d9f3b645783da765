/* hikeshi hosts: the inventory in service. Other subcommands have files of their own and one line in the table below.
 */
#include "cli/cmd_hosts.h"
#include "cli/client.h"
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
    {"check", "[FILTER]", "whether hosts are reachable, show the right key and let us in", cmd_hosts_check_options,
     cmd_hosts_check},
    {"exec", "FILTER ARGV...", "run a command on hosts: hikeshi hosts exec 'role=web' -- uptime",
     cmd_hosts_exec_options, cmd_hosts_exec},
    {"import", "FILE...",
     "print the hosts of an OpenSSH configuration or an Ansible inventory as hikeshi/inventory.yaml",
     cmd_hosts_import_options, cmd_hosts_import},
    {"trust", "HOST", "put the key that a host shows on file, when it is the right one", cmd_hosts_trust_options,
     cmd_hosts_trust},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct cli_command cmd_hosts = {
    .name = "hosts",
    .summary = "list, check, import hosts, run a command on them, trust their keys",
    .details =
        "FILTER is '*', names separated by commas, or a filter like 'role=web & env in (prod, stage)'. check and exec\n"
        "reach hosts from this machine, with this user's keys; exec with --server or HIKESHI_SERVER lets the server's\n"
        "runner do it, which needs the role admin and `hosts_exec: {enabled: true}` in the server's configuration.\n\n"
        "exec prints what hosts say once for all that say the same. --json: one object a host, as it ends. Ctrl-C "
        "stops\n"
        "the command on every host and waits for proof; a second one leaves. Exit status: 0 all well, 1 a host "
        "failed,\n"
        "6 something may still run.",
    .subcommands = subcommands,
};
