/* cmd_hosts_trust: the subcommand `trust` of cmd_hosts.c. */
#ifndef CLI_CMD_HOSTS_TRUST_H
#define CLI_CMD_HOSTS_TRUST_H

#include "cli/cli.h"

extern const struct cli_option cmd_hosts_trust_options[];
int cmd_hosts_trust(struct cli_call *call);

#endif
