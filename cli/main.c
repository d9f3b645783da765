/* main: finds the command in the table, parses its arguments, runs it. Knows no command by name but help. */
#include "cli/cli.h"
#include "core/crypto.h"
#include "core/errors.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct cli_command *find(const char *name)
{
    for (size_t i = 0; cli_commands[i]; i++) {
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    }
    return NULL;
}

static const struct cli_subcommand *find_subcommand(const struct cli_command *command, const char *name)
{
    for (const struct cli_subcommand *sub = command->subcommands; name && sub && sub->name; sub++) {
        if (strcmp(sub->name, name) == 0)
            return sub;
    }
    return NULL;
}

/* hikeshi help [COMMAND [SUBCOMMAND]] */
static int help(int argc, char **argv)
{
    if (argc < 3) {
        help_overview(cli_commands);
        return 0;
    }
    const struct cli_command *command = find(argv[2]);
    if (!command) {
        fprintf(stderr, "hikeshi help: there is no command '%s'; 'hikeshi help' lists them\n", argv[2]);
        return errors_exit_status(ERROR_USAGE);
    }
    help_command(command, find_subcommand(command, argc > 3 ? argv[3] : NULL));
    return 0;
}

/* An answer that did not arrive whole (a full disk behind a redirection) is no success. */
static int close_output(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno != EPIPE) /* whoever read it has seen enough */
        fprintf(stderr, "hikeshi: cannot write the output%s%s\n", errno ? ": " : "", errno ? g_strerror(errno) : "");
    return status ? status : errors_exit_status(ERROR_IO);
}

int main(int argc, char **argv)
{
    crypto_init();
    if (argc < 2) {
        help_overview(cli_commands);
        return errors_exit_status(ERROR_USAGE);
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(argc, argv);
    static char version[] = "version";
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;

    struct cli_call call;
    g_autoptr(GError) error = NULL;
    int status;
    if (!cli_parse(&call, cli_commands, argc, argv, &error)) {
        status = cli_fail(&call, &error);
    } else if (call.help) {
        help_command(call.command, call.subcommand);
        status = 0;
    } else {
        status = (call.subcommand ? call.subcommand->run : call.command->run)(&call);
    }
    cli_call_clear(&call);
    return close_output(status);
}
