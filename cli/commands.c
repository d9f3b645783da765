/* commands: the one list of commands. A new command is one file cmd_NAME.c and one line here. */
#include "cli/commands.h"

const struct cli_command *const cli_commands[] = {
    &cmd_coverage, &cmd_version,
    NULL,
};
