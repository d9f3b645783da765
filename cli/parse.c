/* parse: argv against the table of commands. Refuses to know what any option means, but for --help and --json. */
#include "cli/cli.h"
#include "cli/terminal.h"
#include "core/errors.h"
#include "core/finding.h"
#include <stdio.h>
#include <string.h>

static bool usage(GError **error, const char *what, const char *word, GPtrArray *candidates)
{
    g_ptr_array_add(candidates, NULL);
    const char *nearest = finding_nearest(word, (const char *const *)candidates->pdata);
    if (nearest)
        errors_set(error, ERROR_USAGE, "unknown %s '%s', did you mean '%s'?", what, word, nearest);
    else
        errors_set(error, ERROR_USAGE, "unknown %s '%s'", what, word);
    return false;
}

static const struct cli_option *find_in(const struct cli_option *options, const char *name, size_t length, char letter)
{
    for (const struct cli_option *option = options; option && option->name; option++) {
        if (letter ? option->letter == letter : strlen(option->name) == length && !strncmp(option->name, name, length))
            return option;
    }
    return NULL;
}

static const struct cli_option *more_options(const struct cli_command *command)
{
    return command->more_options ? command->more_options() : NULL;
}

static const struct cli_option *find_option(const struct cli_call *call, const char *name, size_t length, char letter)
{
    const struct cli_option *option =
        call->subcommand ? find_in(call->subcommand->options, name, length, letter) : NULL;
    if (!option)
        option = find_in(call->command->options, name, length, letter);
    return option ? option : find_in(more_options(call->command), name, length, letter);
}

static void collect(GPtrArray *names, const struct cli_option *options)
{
    for (const struct cli_option *option = options; option && option->name; option++)
        g_ptr_array_add(names, (char *)option->name);
}

static bool unknown_option(const struct cli_call *call, const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    collect(names, call->subcommand ? call->subcommand->options : NULL);
    collect(names, call->command->options);
    collect(names, more_options(call->command));
    g_ptr_array_add(names, (char *)"help");
    g_ptr_array_add(names, NULL);
    const char *nearest = finding_nearest(name, (const char *const *)names->pdata);
    if (nearest)
        errors_set(error, ERROR_USAGE, "unknown option '--%s', did you mean '--%s'?", name, nearest);
    else
        errors_set(error, ERROR_USAGE, "unknown option '--%s'", name);
    return false;
}

static void remember(struct cli_call *call, const char *name, const char *value)
{
    GPtrArray *values = g_hash_table_lookup(call->values, name);
    if (!values) {
        values = g_ptr_array_new();
        g_hash_table_insert(call->values, (char *)name, values);
    }
    g_ptr_array_add(values, (char *)value);
}

/* A metavariable such as "text|json" lists all the values there are. */
static bool check_choice(const struct cli_option *option, const char *value, GError **error)
{
    if (!option->value || !strchr(option->value, '|'))
        return true;
    g_auto(GStrv) choices = g_strsplit(option->value, "|", -1);
    if (g_strv_contains((const char *const *)choices, value))
        return true;
    errors_set(error, ERROR_USAGE, "option '--%s' takes %s, not '%s'", option->name, option->value, value);
    return false;
}

/* One option at argv[*i]; takes the next word when the value stands there. */
static bool take_option(struct cli_call *call, int argc, char **argv, int *i, GError **error)
{
    const char *word = argv[*i];
    const struct cli_option *option;
    const char *value = NULL;
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t length = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
        option = find_option(call, word + 2, length, 0);
        if (!option) {
            g_autofree char *name = g_strndup(word + 2, length);
            return unknown_option(call, name, error);
        }
        value = equals ? equals + 1 : NULL;
    } else {
        option = find_option(call, NULL, 0, word[1]);
        if (!option) {
            errors_set(error, ERROR_USAGE, "unknown option '%s'", word);
            return false;
        }
        value = word[2] ? word + 2 + (word[2] == '=') : NULL;
    }
    if (!option->value && value) {
        errors_set(error, ERROR_USAGE, "option '--%s' takes no value", option->name);
        return false;
    }
    if (option->value && !value) {
        if (*i + 1 >= argc) {
            errors_set(error, ERROR_USAGE, "option '--%s' needs a value: %s", option->name, option->value);
            return false;
        }
        value = argv[++*i];
    }
    if (!check_choice(option, value, error))
        return false;
    remember(call, option->name, value ? value : "");
    return true;
}

/* Compares the count of arguments with "RUN STEP", "[PATH...]". */
static bool check_arguments(const struct cli_call *call, GError **error)
{
    const char *pattern = call->subcommand ? call->subcommand->arguments : call->command->arguments;
    g_auto(GStrv) words = g_strsplit(pattern ? pattern : "", " ", -1);
    size_t required = 0, allowed = 0;
    bool many = false;
    for (size_t i = 0; words[i]; i++) {
        if (!*words[i])
            continue;
        allowed++;
        required += words[i][0] != '[';
        many = many || strstr(words[i], "...");
        if (words[i][0] != '[' && call->arguments->len < required) {
            errors_set(error, ERROR_USAGE, "missing argument: %s", words[i]);
            return false;
        }
    }
    if (!many && call->arguments->len > allowed) {
        errors_set(error, ERROR_USAGE, "too many arguments: '%s'", cli_argument(call, allowed));
        return false;
    }
    return true;
}

static bool find_command(struct cli_call *call, const struct cli_command *const *commands, const char *name,
                         GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            call->command = commands[i];
            return true;
        }
        if (!commands[i]->hidden)
            g_ptr_array_add(names, (char *)commands[i]->name);
    }
    g_ptr_array_add(names, (char *)"help");
    return usage(error, "command", name, names);
}

/* `word` is the one after the command, or NULL. *ret_used: it was the subcommand. */
static bool find_subcommand(struct cli_call *call, const char *word, bool *ret_used, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    bool given = word && word[0] != '-';
    const char *name = given ? word : "list";
    for (const struct cli_subcommand *sub = call->command->subcommands; sub->name; sub++) {
        if (strcmp(sub->name, name) == 0) {
            call->subcommand = sub;
            *ret_used = given;
            return true;
        }
        g_ptr_array_add(names, (char *)sub->name);
    }
    *ret_used = false;
    if (given)
        return usage(error, "subcommand", name, names);
    if (word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0))
        return true;
    g_ptr_array_add(names, NULL);
    g_autofree char *list = g_strjoinv(" | ", (char **)names->pdata);
    errors_set(error, ERROR_USAGE, "missing subcommand: %s", list);
    return false;
}

bool cli_parse(struct cli_call *call, const struct cli_command *const *commands, int argc, char **argv, GError **error)
{
    *call = (struct cli_call){
        .arguments = g_ptr_array_new(),
        .values = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref),
    };
    if (!find_command(call, commands, argv[1], error))
        return false;
    int i = 2;
    if (call->command->subcommands) {
        bool used;
        const char *word = argc > 2 ? argv[2] : NULL;
        if (!find_subcommand(call, word, &used, error))
            return false;
        /* `runs --help` is about the command, not about the subcommand that a missing word stands for. */
        if (!used && word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0))
            call->subcommand = NULL;
        i += used;
    }
    for (; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                g_ptr_array_add(call->arguments, argv[i]);
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            call->help = true;
            return true;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            if (!take_option(call, argc, argv, &i, error))
                return false;
        } else {
            g_ptr_array_add(call->arguments, argv[i]);
        }
    }
    return check_arguments(call, error);
}

void cli_call_clear(struct cli_call *call)
{
    g_clear_pointer(&call->arguments, g_ptr_array_unref);
    g_clear_pointer(&call->values, g_hash_table_unref);
}

GPtrArray *cli_values(const struct cli_call *call, const char *option)
{
    return g_hash_table_lookup(call->values, option);
}

const char *cli_value(const struct cli_call *call, const char *option)
{
    GPtrArray *values = cli_values(call, option);
    return values ? values->pdata[values->len - 1] : NULL;
}

bool cli_given(const struct cli_call *call, const char *option)
{
    return cli_values(call, option) != NULL;
}

const char *cli_argument(const struct cli_call *call, size_t index)
{
    return index < call->arguments->len ? call->arguments->pdata[index] : NULL;
}

bool cli_wants_json(const struct cli_call *call)
{
    return cli_given(call, "json") || g_strcmp0(cli_value(call, "format"), "json") == 0;
}

bool cli_integer(const struct cli_call *call, const char *option, gint64 minimum, gint64 maximum, gint64 *ret,
                 GError **error)
{
    const char *text = cli_value(call, option);
    g_autoptr(GError) problem = NULL;
    if (!text || g_ascii_string_to_signed(text, 10, minimum, maximum, ret, &problem))
        return true;
    errors_set(error, ERROR_USAGE,
               "option '--%s' takes a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ", not '%s'", option,
               minimum, maximum, text);
    return false;
}

int cli_fail(const struct cli_call *call, GError **error)
{
    int code = errors_of(*error);
    g_autofree char *message = terminal_clean((*error)->message, strlen((*error)->message), TERMINAL_PLAIN);
    const char *name = call->command ? call->command->name : NULL;
    const char *sub = call->subcommand ? call->subcommand->name : NULL;
    fprintf(stderr, "hikeshi%s%s%s%s: %s\n", name ? " " : "", name ? name : "", sub ? " " : "", sub ? sub : "",
            message);
    if (code == ERROR_USAGE)
        fprintf(stderr, "try 'hikeshi help%s%s%s%s'\n", name ? " " : "", name ? name : "", sub ? " " : "",
                sub ? sub : "");
    g_clear_error(error);
    return errors_exit_status(code);
}
