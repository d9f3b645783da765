/* commands: the descriptors that commands.c lists, one a cmd_NAME.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command cmd_approvals;
extern const struct cli_command cmd_link;
extern const struct cli_command cmd_coverage;
extern const struct cli_command cmd_editor;
extern const struct cli_command cmd_hosts;
extern const struct cli_command cmd_incidents;
extern const struct cli_command cmd_git_fetch;
extern const struct cli_command cmd_lint;
extern const struct cli_command cmd_run;
extern const struct cli_command cmd_runbooks;
extern const struct cli_command cmd_runner;
extern const struct cli_command cmd_runner_worker;
extern const struct cli_command cmd_runs;
extern const struct cli_command cmd_schedules;
extern const struct cli_command cmd_serve;
extern const struct cli_command cmd_sources;
extern const struct cli_command cmd_start;
extern const struct cli_command cmd_test;
extern const struct cli_command cmd_test_worker;
extern const struct cli_command cmd_token;
extern const struct cli_command cmd_version;

#endif
