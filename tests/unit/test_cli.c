/* cli: argv against a table of commands; server-sent events in any pieces. */
#include "tests/unit/support.h"

#include "cli/cli.h"
#include "cli/sse.h"
#include <string.h>

static int nothing(struct cli_call *call)
{
    (void)call;
    return 0;
}

static const struct cli_option options[] = {
    {.name = "follow", .help = "-"},
    {.name = "param", .letter = 'p', .value = "NAME=VALUE", .repeated = true, .help = "-"},
    CLI_OPTION_JSON,
    CLI_OPTION_END,
};
static const struct cli_subcommand subcommands[] = {
    {"list", "", "-", NULL, nothing},
    {"show", "ID", "-", options, nothing},
    {NULL, NULL, NULL, NULL, NULL},
};
static const struct cli_command run = {
    .name = "run", .arguments = "FILE [MORE...]", .summary = "-", .options = options, .run = nothing};
static const struct cli_command runs = {.name = "runs", .summary = "-", .options = options, .subcommands = subcommands};
static const struct cli_command secret = {
    .name = "secret-thing", .arguments = "", .summary = "-", .hidden = true, .run = nothing};
static const struct cli_command *const commands[] = {&run, &runs, &secret, NULL};

/* What a parse becomes, in one line. */
static char *outcome(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    struct cli_call call;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    if (!cli_parse(&call, commands, (int)g_strv_length(words), words, &error)) {
        g_string_append(out, error->message);
    } else {
        g_string_append_printf(out, "%s/%s", call.command->name, call.subcommand ? call.subcommand->name : "-");
        for (size_t i = 0; cli_argument(&call, i); i++)
            g_string_append_printf(out, " %s", cli_argument(&call, i));
        GPtrArray *params = cli_values(&call, "param");
        for (guint i = 0; params && i < params->len; i++)
            g_string_append_printf(out, " p:%s", (char *)params->pdata[i]);
        g_string_append(out, cli_given(&call, "follow") ? " follow" : "");
        g_string_append(out, cli_wants_json(&call) ? " json" : "");
        g_string_append(out, call.help ? " help" : "");
    }
    cli_call_clear(&call);
    return g_strdup(out->str);
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *line, *wanted;
    } rows[] = {
        {"h run a.md", "run/- a.md"},
        {"h run a.md b c", "run/- a.md b c"},
        {"h run -p a=1 x --param b=2 --param=c=3 -pd=4", "run/- x p:a=1 p:b=2 p:c=3 p:d=4"},
        {"h run --follow x --json", "run/- x follow json"},
        {"h run x --format=json", "run/- x json"},
        {"h run x --format text", "run/- x"},
        {"h run x --format xml", "option '--format' takes text|json, not 'xml'"},
        {"h run -- --follow", "run/- --follow"},
        {"h run -", "run/- -"},
        {"h run", "missing argument: FILE"},
        {"h run x --folow", "unknown option '--folow', did you mean '--follow'?"},
        {"h run x --zzzzzz", "unknown option '--zzzzzz'"},
        {"h run x -z", "unknown option '-z'"},
        {"h run x --follow=1", "option '--follow' takes no value"},
        {"h run x -p", "option '--param' needs a value: NAME=VALUE"},
        {"h run --help --nonsense", "run/- help"},
        {"h runs", "runs/list"},
        {"h runs --json", "runs/list json"},
        {"h runs --help", "runs/- help"},
        {"h runs show 1 --follow", "runs/show 1 follow"},
        {"h runs show", "missing argument: ID"},
        {"h runs show 1 2", "too many arguments: '2'"},
        {"h runs shwo 1", "unknown subcommand 'shwo', did you mean 'show'?"},
        {"h rnu", "unknown command 'rnu', did you mean 'run'?"},
        {"h secret-thin", "unknown command 'secret-thin'"},
        {"h secret-thing", "secret-thing/-"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = outcome(rows[i].line);
        if (strcmp(got, rows[i].wanted) != 0)
            row_failed(rows[i].line, "got '%s'", got);
    }
}

static bool on_event(void *arg, const char *event, const char *id, const char *data)
{
    g_string_append_printf(arg, "[%s|%s|%s]", event, id ? id : "-", data);
    return strcmp(event, "end") != 0;
}

static void test_sse(void **state)
{
    (void)state;
    static const char stream[] =
        ": hello\n\nid: 7\nevent: output\ndata: {\"a\":1}\n\n"
        "data: one\r\ndata:two\r\n\r\nid\nevent: empty\n\ndata\n\nevent: end\ndata: {}\n\ndata: never\n\n";
    static const char wanted[] = "[output|7|{\"a\":1}][message|7|one\ntwo][message||][end||{}]";
    for (size_t piece = 1; piece < sizeof stream; piece++) {
        g_autoptr(GString) seen = g_string_new(NULL);
        struct sse *sse = sse_new(on_event, seen);
        bool more = true;
        for (size_t at = 0; at < sizeof stream - 1 && more; at += piece)
            more = sse_feed(sse, stream + at, MIN(piece, sizeof stream - 1 - at));
        assert_false(more);
        assert_string_equal(seen->str, wanted);
        sse_free(sse);
    }
}

static void test_sse_has_a_ceiling(void **state)
{
    (void)state;
    g_autoptr(GString) seen = g_string_new(NULL);
    struct sse *sse = sse_new(on_event, seen);
    g_autofree char *block = g_strnfill(1 << 20, 'x');
    bool more = true;
    for (int i = 0; i < 64 && more; i++)
        more = sse_feed(sse, block, 1 << 20);
    assert_false(more);
    assert_true(sse_overflowed(sse));
    sse_free(sse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_sse),
        cmocka_unit_test(test_sse_has_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
