/* cmd_hosts: the subcommands of cmd_hosts.c, a file each. */
#ifndef CLI_CMD_HOSTS_H
#define CLI_CMD_HOSTS_H

#include "cli/cli.h"

extern const struct cli_option cmd_hosts_check_options[], cmd_hosts_exec_options[], cmd_hosts_import_options[],
    cmd_hosts_trust_options[];
int cmd_hosts_check(struct cli_call *call);
int cmd_hosts_exec(struct cli_call *call);
int cmd_hosts_import(struct cli_call *call);
int cmd_hosts_trust(struct cli_call *call);

#endif
