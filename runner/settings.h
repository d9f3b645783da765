/* settings: the runner's part of the configuration (runner.*) in the runner's own words. */
#ifndef RUNNER_SETTINGS_H
#define RUNNER_SETTINGS_H

#include "core/config.h"
#include "runner/reach.h"
#include "runner/ssh/ssh.h"

/* SSH as runner.ssh.* says. Borrowed from the configuration. */
struct ssh_settings settings_ssh(const struct config *config);
/* runner.workers, with 0 replaced by the number of cores. */
size_t settings_workers(const struct config *config);
/* What runner.http lets steps reach. ERROR_CONFIG. */
struct reach *settings_reach(const struct config *config, GError **error);
/* runner.name, or the machine's. g_free. */
char *settings_name(const struct config *config);

#endif
