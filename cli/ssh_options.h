/* ssh_options: how a command that reaches hosts from here signs in: the configuration's runner.ssh, under what the command
 * line says. */
#ifndef CLI_SSH_OPTIONS_H
#define CLI_SSH_OPTIONS_H

#include "cli/cli.h"
#include "core/config.h"
#include "runner/ssh/ssh.h"

/* clang-format off */
#define CLI_OPTION_SSH \
    {.name = "identity", .value = "PATH", .repeated = true, .help = "private key for the hosts; default: runner.ssh.identities"}, \
    {.name = "known-hosts", .value = "PATH", .help = "file of host keys; default: runner.ssh.known_hosts"}, \
    {.name = "user", .value = "NAME", .help = "login on hosts whose inventory entry names none"}, \
    {.name = "config", .value = "FILE", .help = "configuration; default: ./hikeshi.yaml when it exists"}
/* clang-format on */

struct ssh_options {
    struct ssh_settings settings; /* borrows from the call, the configuration and the array */
    GPtrArray *identities;
};

void ssh_options_read(const struct cli_call *call, const struct config *config, struct ssh_options *ret);
void ssh_options_clear(struct ssh_options *options);

#endif
