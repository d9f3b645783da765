/* commands: the one list of commands. A new command is one file cmd_NAME.c and one line here. */
#include "cli/commands.h"

/* clang-format off: one a line, so that colleagues' lines do not meet */
const struct cli_command *const cli_commands[] = {
    &cmd_start, &cmd_runs, &cmd_approvals, &cmd_incidents, &cmd_sources, &cmd_runbooks, &cmd_schedules,
};
/* clang-format on */
