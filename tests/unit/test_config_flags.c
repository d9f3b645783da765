/* config_flags: each configuration key as an option of a command. */
#include "cli/config_flags.h"
#include "core/errors.h"
#include "tests/unit/support.h"
#include <string.h>

static int nothing(struct cli_call *call)
{
    (void)call;
    return 0;
}

static const struct cli_command command = {
    .name = "serve", .arguments = "", .summary = "x", .more_options = config_flags_options, .run = nothing};
static const struct cli_command *const commands[] = {&command, NULL};

/* Parses "serve WORDS" and loads; the message of the failure, or NULL with *ret_config. */
static char *load(const char *words, struct config **ret_config)
{
    g_autofree char *line = g_strconcat("hikeshi serve ", words, NULL);
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);
    struct cli_call call;
    g_autoptr(GError) error = NULL;
    *ret_config = NULL;
    if (cli_parse(&call, commands, (int)g_strv_length(argv), argv, &error))
        *ret_config = config_flags_load(&call, &error);
    cli_call_clear(&call);
    return error != NULL ? g_strdup(error->message) : NULL;
}

static void test_flags_reach_the_configuration(void **state)
{
    (void)state;
    struct config *config = NULL;
    g_autofree char *message =
        load("--listen 127.0.0.1:0 --no-runner --log-level=debug --runner-ssh-agent false --runner-slots 7", &config);
    if (message != NULL)
        fail_msg("%s", message);
    assert_string_equal(config_string(config, "listen"), "127.0.0.1:0");
    assert_true(config_bool(config, "no_runner"));
    assert_string_equal(config_string(config, "log.level"), "debug");
    assert_false(config_bool(config, "runner.ssh.agent"));
    assert_int_equal(config_integer(config, "runner.slots"), 7);
    config_free(config);
}

static const struct {
    const char *why, *words, *message;
} refusals[] = {
    {"an unknown key", "--lisen 127.0.0.1:0", "did you mean '--listen'"},
    {"a tree has no flag", "--sources x", "unknown option '--sources'"},
    {"a switch takes no value", "--no-runner=true", "takes no value"},
    {"a value that the key does not allow", "--runner-slots many", "--runner-slots: not an integer"},
    {"a file that is not there", "--config /nonexistent.yaml", "/nonexistent.yaml"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        struct config *config = NULL;
        g_autofree char *message = load(refusals[i].words, &config);
        if (message == NULL || strstr(message, refusals[i].message) == NULL)
            row_failed(refusals[i].why, "got '%s'", message != NULL ? message : "(accepted)");
        config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags_reach_the_configuration),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
