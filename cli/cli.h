/* cli: one descriptor a command; commands.c lists them. Help, usage errors, completion and the man page come from the
 * table. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "core/json.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct cli_call;

struct cli_option {
    const char *name;  /* "follow" (--follow); long only, but for `letter` */
    char letter;       /* 'p' or 0 */
    const char *value; /* metavariable "NAME=VALUE", or NULL for a switch; "text|json" admits only these */
    bool repeated;
    const char *help;
};

/* clang-format off */
/* Option rows that several commands share. `--json` is short for `--format json`; ask with cli_wants_json(). */
#define CLI_OPTION_JSON \
    {.name = "json", .help = "short for --format json"}, \
    {.name = "format", .value = "text|json", .help = "how to print the answer (default: text)"}
/* For commands that ask a server: what client_new() reads. */
#define CLI_OPTION_CLIENT \
    {.name = "server", .value = "URL", .help = "default: $HIKESHI_SERVER, else http://127.0.0.1:8460"}, \
    {.name = "token-file", .value = "PATH", .help = "default: $HIKESHI_TOKEN, else ./data/admin-token"}
/* For commands that start runs: what cli_params() reads. */
#define CLI_OPTION_PARAM \
    {.name = "param", .letter = 'p', .value = "NAME=VALUE", .repeated = true, .help = "a param; NAME=@FILE reads it from a file"}
/* For commands that answer approvals: what cli_inputs() reads. */
#define CLI_OPTION_INPUT \
    {.name = "input", .letter = 'i', .value = "NAME=VALUE", .repeated = true, .help = "a value that the step asks its approver for; NAME=@FILE reads it from a file"}
/* For lists: how many items at most. */
#define CLI_OPTION_COUNT \
    {.name = "count", .letter = 'n', .value = "N", .help = "how many at most (default: 50)"}
#define CLI_OPTION_END {.name = NULL}
/* clang-format on */

struct cli_command {
    const char *name; /* "run" */
    /* What stands after the options, checked before run(): "FILE.md", "[PATH...]", "RUN STEP", or "". Words in brackets
     * are optional; "..." in the last word lets it repeat. */
    const char *arguments;
    const char *summary;              /* one line */
    const char *details;              /* paragraphs for `hikeshi help NAME`, or NULL */
    const struct cli_option *options; /* ends with name == NULL; may be NULL; subcommands take these too */
    /* Options that come from another table (config_flags_options); may be NULL. */
    const struct cli_option *(*more_options)(void);
    /* "approvals list|show|approve|deny", ends with name == NULL; may be NULL. Without a word, "list" is meant if it
     * exists. */
    const struct cli_subcommand *subcommands;
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
    const struct cli_subcommand *subcommand; /* or NULL */
    bool help;                               /* --help was given: nothing else was checked */
    GPtrArray *arguments;                    /* const char* */
    GHashTable *values;                      /* option name → GPtrArray of const char* */
};

/* Parses argv (program name first) against a table that ends with NULL. `call` is initialised either way, and names the
 * command as far as it was understood. ERROR_USAGE names what is wrong and the nearest known word. */
bool cli_parse(struct cli_call *call, const struct cli_command *const *commands, int argc, char **argv, GError **error);
void cli_call_clear(struct cli_call *call);

/* The last value, or NULL; "" for a switch that was given. */
const char *cli_value(const struct cli_call *call, const char *option);
GPtrArray *cli_values(const struct cli_call *call, const char *option); /* or NULL */
bool cli_given(const struct cli_call *call, const char *option);
const char *cli_argument(const struct cli_call *call, size_t index); /* or NULL */
bool cli_wants_json(const struct cli_call *call);
/* A whole number in a range; *ret keeps its value when the option was not given. ERROR_USAGE. */
bool cli_integer(const struct cli_call *call, const char *option, gint64 minimum, gint64 maximum, gint64 *ret,
                 GError **error);

/* The values of every -p NAME=VALUE as an object of strings; NAME=@PATH takes the file's text (less one newline at its
 * end), NAME=@@x means the text "@x". ERROR_USAGE; NULL. */
json_t *cli_params(const struct cli_call *call, GError **error);
/* The same of -i. */
json_t *cli_inputs(const struct cli_call *call, GError **error);

/* Prints "hikeshi NAME: message" (and for ERROR_USAGE how to get help) to stderr; returns the exit status. Clears
 * *error. */
int cli_fail(const struct cli_call *call, GError **error);

/* Help texts, to stdout. `subcommand` may be NULL. */
void help_overview(const struct cli_command *const *commands);
void help_command(const struct cli_command *command, const struct cli_subcommand *subcommand);

extern const struct cli_command *const cli_commands[]; /* in cli/commands.c, ends with NULL */

#endif
