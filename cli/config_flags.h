/* config_flags: the configuration's keys as options of commands that run on a configuration: serve, runner. */
#ifndef CLI_CONFIG_FLAGS_H
#define CLI_CONFIG_FLAGS_H

#include "cli/cli.h"
#include "core/config.h"

/* --config FILE and a flag for each scalar key, for cli_command.more_options. Ends with name == NULL; lives for ever.
 */
const struct cli_option *config_flags_options(void);
/* config_load() with the file and the flags of this call. */
struct config *config_flags_load(const struct cli_call *call, GError **error);
/* The environment of a child process that reads the same configuration: ours, with this call's flags as HIKESHI_KEY=value.
 * g_strfreev. */
char **config_flags_environment(const struct cli_call *call);

#endif
