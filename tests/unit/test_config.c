/* config: precedence, every problem with its place, and docs that say each key. */
#include "core/config.h"
#include "core/errors.h"
#include "tests/unit/support.h"
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static char *folder, *path;

static int setup(void **state)
{
    (void)state;
    folder = g_dir_make_tmp("hikeshi-config-XXXXXX", NULL);
    path = g_build_filename(folder, "hikeshi.yaml", NULL);
    return folder == NULL;
}

static int teardown(void **state)
{
    (void)state;
    g_unlink(path);
    g_rmdir(folder);
    g_free(path);
    g_free(folder);
    return 0;
}

static struct config *load(const char *text, const char *const *flags, GError **error)
{
    assert_true(g_file_set_contents(path, text, -1, NULL));
    return config_load(path, flags, error);
}

static void test_defaults(void **state)
{
    (void)state;
    char *before = g_get_current_dir();
    assert_int_equal(chdir(folder), 0);
    g_unlink("hikeshi.yaml");
    g_autoptr(config_t) config = config_load(NULL, NULL, NULL);
    assert_int_equal(chdir(before), 0);
    g_free(before);
    assert_non_null(config);
    assert_string_equal(config_file(config), "(defaults)");
    assert_string_equal(config_string(config, "listen"), "127.0.0.1:8460");
    assert_null(config_string(config, "repo"));
    assert_int_equal(config_duration_ms(config, "retention.runs"), INT64_C(400) * 86400 * 1000);
    assert_int_equal(config_integer(config, "runner.slots"), 50);
    assert_true(config_bool(config, "runner.ssh.agent"));
    assert_null(config_list(config, "runner.ssh.identities")[0]);
    assert_null(config_tree(config, "sources"));
}

static void test_precedence(void **state)
{
    (void)state;
    const char *text = "listen: file\ndata: file\nenvironment: file\nrunner: {workers: 2, slots: 3}\n";
    const char *flags[] = {"listen=flag", "runner-workers=9", "no-runner", NULL};
    g_setenv("HIKESHI_LISTEN", "environment", TRUE);
    g_setenv("HIKESHI_DATA", "environment", TRUE);
    g_setenv("HIKESHI_RUNNER_WORKERS", "7", TRUE);
    g_setenv("HIKESHI_ENVIRONMENT", "", TRUE);
    g_autoptr(GError) error = NULL;
    g_autoptr(config_t) config = load(text, flags, &error);
    g_unsetenv("HIKESHI_LISTEN");
    g_unsetenv("HIKESHI_DATA");
    g_unsetenv("HIKESHI_RUNNER_WORKERS");
    g_unsetenv("HIKESHI_ENVIRONMENT");
    assert_null(error);
    assert_string_equal(config_string(config, "listen"), "flag");
    assert_string_equal(config_string(config, "data"), "environment");
    assert_string_equal(config_string(config, "environment"), "file"); /* an empty variable is unset */
    assert_int_equal(config_integer(config, "runner.workers"), 9);
    assert_int_equal(config_integer(config, "runner.slots"), 3);
    assert_true(config_bool(config, "no_runner"));
}

static void test_trees_and_lists(void **state)
{
    (void)state;
    const char *text =
        "sources:\n  pd: {kind: pagerduty, anything: [1]}\nrunner: {ssh: {identities: [file:a, file:b]}}\n"
        "git:\nlog: {level: ~}\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(config_t) config = load(text, NULL, &error);
    assert_null(error);
    assert_int_equal(yaml_get(config_tree(config, "sources"), "pd")->line, 2);
    assert_int_equal(config_tree(config, "runner.ssh")->kind, YAML_MAP);
    assert_null(config_tree(config, "runner.nothing.at.all"));
    assert_string_equal(config_list(config, "runner.ssh.identities")[1], "file:b");
    assert_null(config_list(config, "runner.ssh.identities")[2]);
    assert_string_equal(config_string(config, "log.level"), "info"); /* null keeps the default */

    const char *flags[] = {"runner.ssh.identities=file:c, file:d", NULL};
    config_free(config);
    config = load(text, flags, &error);
    assert_string_equal(config_list(config, "runner.ssh.identities")[1], "file:d");
}

static void test_problems(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *flag, *message;
    } rows[] = {
        {"misspelt", "listne: x\n", NULL, ":1:1: unknown key 'listne' (did you mean 'listen'?)"},
        {"misspelt below", "runner:\n  ssh: {usr: x}\n", NULL,
         ":2:9: unknown key 'runner.ssh.usr' (did you mean 'user'?)"},
        {"nothing near", "zzz: 1\n", NULL, ":1:1: unknown key 'zzz'"},
        {"dotted", "log.level: debug\n", NULL, ":1:1: unknown key 'log.level'"},
        {"section is no map", "log: debug\n", NULL, ":1:6: 'log' must be a map, found string"},
        {"tree is no map", "sources: [x]\n", NULL, ":1:10: 'sources' must be a map, found list"},
        {"text is a list", "listen: [x]\n", NULL, ":1:9: 'listen' must be text, found list"},
        {"choice", "log: {level: loud}\n", NULL, ":1:14: 'log.level': not one of debug|info|warn|error: 'loud'"},
        {"integer in words", "runner: {slots: many}\n", NULL, ":1:17: 'runner.slots' must be an integer, found string"},
        {"integer out of range", "runner: {slots: 0}\n", NULL, ":1:17: 'runner.slots': not an integer in 1..1000: '0'"},
        {"YAML 1.1 boolean", "no_runner: yes\n", NULL, ":1:12: 'no_runner' must be true or false, found string"},
        {"duration", "git: {poll: often}\n", NULL,
         ":1:13: 'git.poll': not a duration such as 30s, 10m or 1h30m (at most 100 years): 'often'"},
        {"list of lists", "runner: {ssh: {identities: [[a]]}}\n", NULL,
         ":1:28: 'runner.ssh.identities' must be a list of texts, found list"},
        {"no map at all", "- a\n", NULL, ":1:1: must be a map of keys, found list"},
        {"not YAML", "a: b: c\n", NULL, ":1:5: invalid nested block mapping on the same line"},
        {"twice", "listen: a\nlisten: b\n", NULL, ":2:1: the key 'listen' is there twice"},
        {"unknown flag", "", "loud=1", "--loud: there is no such key"},
        {"flag of a tree", "", "sources=x", "--sources: can only be set in the configuration file"},
        {"flag without value", "", "listen", "--listen: needs a value"},
        {"flag of the wrong type", "", "runner-slots=x", "--runner-slots: not an integer in 1..1000: 'x'"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *flags[] = {rows[i].flag, NULL};
        g_autoptr(GError) error = NULL;
        g_autoptr(config_t) config = load(rows[i].text, flags, &error);
        g_autofree char *wanted =
            rows[i].message[0] == ':' ? g_strconcat(path, rows[i].message, NULL) : g_strdup(rows[i].message);
        if (config != NULL || errors_of(error) != ERROR_CONFIG || strcmp(error->message, wanted) != 0)
            row_failed(rows[i].why, "%s", error != NULL ? error->message : "loaded");
    }
}

static void test_all_problems_at_once(void **state)
{
    (void)state;
    const char *flags[] = {"x=1", NULL};
    g_setenv("HIKESHI_LOG_LEVEL", "loud", TRUE);
    g_autoptr(GError) error = NULL;
    assert_null(load("a1: 1\nb2: 2\n", flags, &error));
    g_unsetenv("HIKESHI_LOG_LEVEL");
    g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
    assert_int_equal(g_strv_length(lines), 4);
    assert_string_equal(lines[2], "HIKESHI_LOG_LEVEL: not one of debug|info|warn|error: 'loud'");
}

static void test_missing_file(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    assert_null(config_load("/nonexistent/h.yaml", NULL, &error));
    assert_non_null(strstr(error->message, "cannot read '/nonexistent/h.yaml'"));
}

/* docs/configuration.md: a table row for each key, with its default. */
static void test_documented(void **state)
{
    (void)state;
    g_autofree char *page = NULL;
    assert_true(g_file_get_contents("docs/configuration.md", &page, NULL, NULL));
    for (const struct config_key *key = config_keys; key->name != NULL; key++) {
        g_autofree char *row = g_strdup_printf("\n| `%s` |", key->name);
        const char *at = strstr(page, row);
        if (at == NULL)
            row_failed(key->name, "docs/configuration.md has no row for it");
        if (key->fallback != NULL) {
            g_autofree char *line = g_strndup(at + 1, strcspn(at + 1, "\n"));
            g_autofree char *quoted = g_strdup_printf("| `%s` |", key->fallback);
            if (strstr(line, quoted) == NULL)
                row_failed(key->name, "docs/configuration.md has another default than %s", key->fallback);
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    for (const struct config_key *key = config_keys; key->name != NULL; key++) {
        g_autofree char *flag = config_flag_name(key), *variable = config_env_name(key);
        assert_int_equal(flag == NULL, key->type == CONFIG_TREE);
        assert_int_equal(variable == NULL, key->type == CONFIG_TREE);
        if (strcmp(key->name, "runner.ssh.known_hosts") == 0) {
            assert_string_equal(flag, "runner-ssh-known-hosts");
            assert_string_equal(variable, "HIKESHI_RUNNER_SSH_KNOWN_HOSTS");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_trees_and_lists),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_all_problems_at_once),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_documented),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
