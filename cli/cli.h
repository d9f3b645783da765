/* cli: one descriptor a command; main.c lists them. Help, usage errors, completion and the man page come from the table. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <glib.h>
#include <stdbool.h>

struct cli_call;

struct cli_option {
    const char *name;  /* "follow" (--follow); long only, but for `letter` */
    char letter;       /* 'p' or 0 */
    const char *value; /* metavariable "NAME=VALUE", or NULL for a switch */
    bool repeated;
    const char *help;
};

struct cli_command {
    const char *name;      /* "run" */
    const char *arguments; /* "FILE.md", or "" */
    const char *summary;   /* one line */
    const char *details;   /* paragraphs for `hikeshi help NAME`, or NULL */
    const struct cli_option *options; /* ends with name == NULL; may be NULL */
    const struct cli_subcommand *subcommands; /* "approvals list|show|approve|deny"; may be NULL */
    bool hidden;
    int (*run)(struct cli_call *call); /* exit status: errors_exit_status() */
};

struct cli_subcommand {
    const char *name, *arguments, *summary;
    const struct cli_option *options;
    int (*run)(struct cli_call *call);
};

/* One invocation, parsed. Borrowed strings. */
struct cli_call {
    const struct cli_command *command;
    const struct cli_subcommand *subcommand;
    GPtrArray *arguments; /* const char* */
    GHashTable *values;   /* option name → GPtrArray of const char* */
};
const char *cli_value(const struct cli_call *call, const char *option); /* last value, or NULL; "" for a switch that was given */
GPtrArray *cli_values(const struct cli_call *call, const char *option); /* or NULL */
bool cli_given(const struct cli_call *call, const char *option);
const char *cli_argument(const struct cli_call *call, size_t index); /* or NULL */

/* Prints "hikeshi NAME: message" (and for ERROR_USAGE how to get help) to stderr; returns the exit status. Clears *error. */
int cli_fail(const struct cli_call *call, GError **error);

extern const struct cli_command *const cli_commands[]; /* in cli/commands.c, ends with NULL */

#endif
