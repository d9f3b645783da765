/* commands: the one list of commands. A new command is one file cmd_NAME.c and one line here. */
#include "cli/commands.h"

/* One a line, so that two changes do not meet. */
/* clang-format off */
const struct cli_command *const cli_commands[] = {
    &cmd_approvals,
    &cmd_coverage,
    &cmd_editor,
    &cmd_git_fetch,
    &cmd_hosts,
    &cmd_incidents,
    &cmd_link,
    &cmd_lint,
    &cmd_run,
    &cmd_runbooks,
    &cmd_runner,
    &cmd_runner_worker,
    &cmd_runs,
    &cmd_schedules,
    &cmd_serve,
    &cmd_sources,
    &cmd_start,
    &cmd_test,
    &cmd_test_worker,
    &cmd_token,
    &cmd_version,
    NULL,
};
/* clang-format on */
