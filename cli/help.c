/* help: the help texts, made from the table of commands and nothing else. */
#include "cli/cli.h"
#include <stdio.h>
#include <string.h>

static void print_options(const struct cli_option *options)
{
    for (const struct cli_option *option = options; option && option->name; option++) {
        g_autofree char *letter = option->letter ? g_strdup_printf("-%c, ", option->letter) : g_strdup("    ");
        g_autofree char *left = g_strdup_printf("%s--%s%s%s", letter, option->name, option->value ? " " : "",
                                                option->value ? option->value : "");
        printf("  %-30s %s%s\n", left, option->help, option->repeated ? " (may be repeated)" : "");
    }
}

static bool has_options(const struct cli_option *options)
{
    return options && options->name;
}

static void print_usage(const char *command, const char *sub, const char *arguments, bool options)
{
    printf("usage: hikeshi %s%s%s%s%s%s\n", command, sub ? " " : "", sub ? sub : "", options ? " [OPTIONS]" : "",
           arguments && *arguments ? " " : "", arguments ? arguments : "");
}

void help_overview(const struct cli_command *const *commands)
{
    printf("hikeshi runs the runbooks in your Git repository when the pager goes off.\n\nusage: hikeshi COMMAND "
           "[OPTIONS]\n\n");
    for (size_t i = 0; commands[i]; i++) {
        if (!commands[i]->hidden)
            printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
    }
    printf(
        "\n'hikeshi help COMMAND' says more. Exit status: 0 done, 1 it ran and failed or there are findings, 2 wrong\n"
        "usage, 3 server not reachable, 4 not allowed or denied, 5 still waiting, 6 unknown.\n");
}

static void help_subcommands(const struct cli_command *command)
{
    printf("usage: hikeshi %s SUBCOMMAND [OPTIONS]\n\n%s\n\n", command->name, command->summary);
    for (const struct cli_subcommand *sub = command->subcommands; sub->name; sub++) {
        g_autofree char *left = g_strdup_printf("%s %s", sub->name, sub->arguments ? sub->arguments : "");
        printf("  %-24s %s\n", left, sub->summary);
    }
    for (const struct cli_subcommand *sub = command->subcommands; sub->name; sub++) {
        if (has_options(sub->options)) {
            printf("\n%s:\n", sub->name);
            print_options(sub->options);
        }
    }
}

void help_command(const struct cli_command *command, const struct cli_subcommand *subcommand)
{
    if (command->subcommands && !subcommand) {
        help_subcommands(command);
    } else {
        const struct cli_option *own = subcommand ? subcommand->options : NULL;
        print_usage(command->name, subcommand ? subcommand->name : NULL,
                    subcommand ? subcommand->arguments : command->arguments,
                    has_options(own) || has_options(command->options) || command->more_options);
        printf("\n%s\n", subcommand ? subcommand->summary : command->summary);
        if (has_options(own)) {
            printf("\n");
            print_options(own);
        }
    }
    if (has_options(command->options)) {
        printf("\n");
        print_options(command->options);
    }
    if (command->more_options) {
        printf("\nconfiguration (docs/configuration.md; a flag wins over HIKESHI_... and the file):\n");
        print_options(command->more_options());
    }
    if (command->details)
        printf("\n%s\n", command->details);
}
