/* hikeshi git-fetch: the child that serve starts for each fetch. Its request comes on stdin (jobs/catalog_fetch.c). */
#include "cli/commands.h"
#include "jobs/catalog.h"

static int git_fetch(struct cli_call *call)
{
    (void)call;
    catalog_fetch_main();
}

const struct cli_command cmd_git_fetch = {
    .name = "git-fetch",
    .arguments = "",
    .summary = "fetch a repository into its mirror (started by serve)",
    .hidden = true,
    .run = git_fetch,
};
