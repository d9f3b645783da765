/* lint: names across the files of a repository, and the Lua mentions it is based on. */
#include "tests/unit/support.h"

#include "jobs/lint.h"
#include "jobs/lua_scan.h"
#include "lua/lua_run.h"
#include <glib/gstdio.h>
#include <string.h>

static void on_mention(void *arg, enum lua_mention mention, const char *name, int line)
{
    static const char *const words[] = {"param", "step", "host", "filter", "concat", "secret", "module"};
    g_string_append_printf(arg, "%d:%s:%s ", line, words[mention], name);
}

static void test_scan(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *wanted;
    } rows[] = {
        {"members", "x = params.a + params['b']\ny = steps.look.hosts", "1:param:a 1:param:b 2:step:look "},
        {"calls", "ssh('db-1'):run{}\nhost \"h\"\nsecret('s', 1)\nrequire [[m.n]]",
         "1:host:db-1 2:host:h 3:secret:s 4:module:m.n "},
        {"computed names are not seen", "ssh(params.host)\nparams[x]", "1:param:host "},
        {"comments and strings",
         "-- params.a\n--[[ params.b\n]] x = 'params.c' .. \"params.d\" -- ssh('x')\n--[==[ ]] params.e ]==]", ""},
        {"lines are counted in long strings", "x = [[\n\n]]\nparams.z()", "4:param:z "},
        {"members of others", "run.params.x = obj:host('x')", ""},
        {"locals are somebody else's", "local params = {}\nparams.x = 1", ""},
        {"a filter", "hosts('role=db')", "1:filter:role=db "},
        {"a filter put together", "hosts('role=' .. x)", "1:concat: "},
        {"a table", "hosts{role='a' .. b}", ""},
        {"an escaped string is not guessed", "ssh('a\\'b')", ""},
        {"unfinished everything", "ssh('x\nparams.", ""},
        {"an unfinished long string", "x = [==[ params.a", ""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) seen = g_string_new(NULL);
        lua_scan(rows[i].text, 1, on_mention, seen);
        if (strcmp(seen->str, rows[i].wanted) != 0)
            row_failed(rows[i].why, "got '%s'", seen->str);
    }
}

static const struct {
    const char *path, *text;
} files[] = {
    {"hikeshi/inventory.yaml", "hosts: {db-1: {labels: {role: db}}}\n"},
    {"hikeshi/teams.yaml", "policies: {dba: {need: [{from: [{role: approver}]}]}}\n"},
    {"hikeshi/lib/net/dns.lua", "return {}\n"},
    {"hikeshi/lib/broken.lua", "return {\n"},
    {"runbooks/good.md",
     "---\nparams: {host: {type: host}}\naliases: [old]\n---\n"
     "```lua {step=a}\nssh(params.host):run{'true'}\nlocal d = require('net.dns')\n```\n"
     "```lua {step=b}\n--| approve: dba\n--| hosts: role=db\n--| when: steps.a ~= nil\nssh('db-1'):run{'true'}\n```\n"},
    {"runbooks/bad.md", "---\nid: old\nhosts: role=web\nparams: {host: {type: host, required: true}}\n"
                        "triggers: [{kind: schedule, cron: '@daily', params: {host: db-9}}]\n---\n"
                        "```lua {step=a}\n--| approve: dbaa\n--| hosts: role=db\n--| when: steps.b ==\n"
                        "ssh('db-2'):run{params.hots}\nrequire 'net.dnz'\n```\n"
                        "```lua {step=b}\nif then\n```\n"},
    {"runbooks/notes.md", "# Notes\n```sh\nls\n```\n"},
    {"runbooks/.hidden.md", "```lua {step=\n```\n"},
    {"README.md", "```lua {step=\n```\n"},
};

static const char *const wanted[] = {
    "hikeshi/lib/broken.lua:2:1: error: unexpected symbol near <eof> [lua-syntax]",
    "runbooks/bad.md:1:1: warning: no host of the inventory matches 'role=web' [no-hosts]",
    "runbooks/bad.md:5:1: error: this schedule cannot start: param 'host': the inventory has no host 'db-9' [params]",
    "runbooks/bad.md:7:1: error: unexpected symbol near <eof> [lua-syntax]",
    "runbooks/bad.md:7:1: warning: the step 'b' has not run yet here [step-order]",
    "runbooks/bad.md:7:1: error: there is no policy 'dbaa' (did you mean 'dba'?) [unknown-name]",
    "runbooks/bad.md:11:1: error: the inventory has no host 'db-2' (did you mean 'db-1'?) [unknown-name]",
    "runbooks/bad.md:11:1: error: there is no param 'hots' (did you mean 'host'?) [unknown-name]",
    "runbooks/bad.md:12:1: error: there is no module 'net.dnz' in hikeshi/lib [unknown-name]",
    "runbooks/bad.md:15:1: error: unexpected symbol near 'then' [lua-syntax]",
    "runbooks/good.md:1:1: error: the id 'old' belongs to /runbooks/bad.md already [duplicate]",
};

static void write_file(const char *folder, const char *path, const char *text)
{
    g_autofree char *full = g_build_filename(folder, path, NULL);
    g_autofree char *parent = g_path_get_dirname(full);
    assert_int_equal(g_mkdir_with_parents(parent, 0700), 0);
    assert_true(g_file_set_contents(full, text, -1, NULL));
}

static void remove_folder(const char *folder)
{
    g_autofree char *quoted = g_shell_quote(folder);
    g_autofree char *command = g_strdup_printf("rm -rf %s", quoted);
    assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
}

static void test_repository(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("hikeshi-lint-XXXXXX", NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        write_file(folder, files[i].path, files[i].text);
    struct lint_result result;
    g_autoptr(GError) error = NULL;
    assert_true(lint_paths((const char *const[]){folder, folder, NULL}, lua_check_syntax, &result, &error));
    assert_int_equal(result.runbooks, 2);
    assert_int_equal(result.documents, 1);
    assert_int_equal(result.steps, 4);
    for (size_t i = 0; i < finding_count(result.findings); i++) {
        g_autofree char *text = finding_to_text(finding_at(result.findings, i));
        g_auto(GStrv) parts = g_strsplit(text, folder, -1);
        g_autofree char *got = g_strjoinv("", parts);
        if (i >= G_N_ELEMENTS(wanted) || strcmp(got + 1, wanted[i]) != 0)
            row_failed(i < G_N_ELEMENTS(wanted) ? wanted[i] : "no more", "got: %s", got + 1);
    }
    assert_int_equal(finding_count(result.findings), G_N_ELEMENTS(wanted));
    lint_result_clear(&result);
    remove_folder(folder);
}

static void test_no_such_path(void **state)
{
    (void)state;
    struct lint_result result;
    g_autoptr(GError) error = NULL;
    assert_false(lint_paths((const char *const[]){"/nonexistent/x", NULL}, lua_check_syntax, &result, &error));
    assert_string_equal(error->message, "there is no file or folder '/nonexistent/x'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_repository),
        cmocka_unit_test(test_no_such_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
