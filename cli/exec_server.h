/* exec_server: `hikeshi hosts exec` on a server: its runner reaches the hosts, the run is on its record. */
#ifndef CLI_EXEC_SERVER_H
#define CLI_EXEC_SERVER_H

#include "cli/cli.h"
#include "core/json.h"

/* A server was named, and no inventory of here. */
bool exec_asks_server(const struct cli_call *call);
/* Until the run has ended, printing what happens; the exit status. */
int exec_on_server(struct cli_call *call);
/* The words after FILTER. New array; ERROR_USAGE without any. */
json_t *exec_argv(const struct cli_call *call, GError **error);

#endif
