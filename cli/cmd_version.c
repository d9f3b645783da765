/* hikeshi version: what was built, and with which libraries it runs. */
#include "cli/commands.h"
#include "cli/print.h"
#include <stdio.h>

static int version(struct cli_call *call)
{
    if (!cli_wants_json(call)) {
        printf("hikeshi %s\n", HIKESHI_VERSION);
        return 0;
    }
    g_autoptr(json_t) answer = json_pack("{s:s}", "version", HIKESHI_VERSION);
    print_json(answer);
    return 0;
}

static const struct cli_option options[] = {CLI_OPTION_JSON, CLI_OPTION_END};

const struct cli_command cmd_version = {
    .name = "version",
    .arguments = "",
    .summary = "print the version",
    .options = options,
    .run = version,
};
