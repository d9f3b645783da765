/* commands: the descriptors that commands.c lists, one a cmd_NAME.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command cmd_coverage;
extern const struct cli_command cmd_lint;
extern const struct cli_command cmd_serve;
extern const struct cli_command cmd_version;

#endif
