/* lint: names across the files of a repository, and the Lua mentions it is based on. */
#include "tests/unit/support.h"

#include "core/lua_lex.h"
#include "jobs/lint.h"
#include "jobs/lint_rules.h"
#include "jobs/lua_globals.h"
#include "jobs/lua_scan.h"
#include "lua/lua_run.h"
#include <glib/gstdio.h>
#include <string.h>

static void on_mention(void *arg, enum lua_mention mention, const char *name, int line, int column G_GNUC_UNUSED)
{
    static const char *const words[] = {"-",      "param",  "params", "input", "step", "host",    "filter",
                                        "concat", "secret", "module", "data",  "set",  "any-data"};
    g_string_append_printf(arg, "%d:%s:%s ", line, words[mention], name);
}

static void test_scan(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *wanted;
    } rows[] = {
        {"members", "x = params.a + params['b']\ny = steps.look.hosts", "1:param:a 1:param:b 2:step:look "},
        {"inputs", "f(approval.inputs.a, approval.inputs['b'], approval.decisions.c, approval.inputs)",
         "1:input:a 1:input:b "},
        {"calls", "ssh('db-1'):run{}\nhost \"h\"\nsecret('s', 1)\nrequire [[m.n]]",
         "1:host:db-1 2:host:h 3:secret:s 4:module:m.n "},
        {"computed names are not seen", "ssh(params.host)\nparams[x]", "1:param:host 2:params: "},
        {"comments and strings",
         "-- params.a\n--[[ params.b\n]] x = 'params.c' .. \"params.d\" -- ssh('x')\n--[==[ ]] params.e ]==]", ""},
        {"lines are counted in long strings", "x = [[\n\n]]\nparams.z()", "4:param:z "},
        {"members of others", "run.params.x = obj:host('x')", ""},
        {"locals are somebody else's", "local params = {}\nparams.x = 1", ""},
        {"a filter", "hosts('role=db')", "1:filter:role=db "},
        {"a filter put together", "hosts('role=' .. x)", "1:concat: "},
        {"a table", "hosts{role='a' .. b}", ""},
        {"an escaped string is not guessed", "ssh('a\\'b')", ""},
        {"unfinished everything", "ssh('x\nparams.", "2:params: "},
        {"data", "data.a, data.b = 1, data.c\nf(data.d, 1)\ndata['e'] = data.a == 1\ndata.f.g = 2",
         "1:set:a 1:set:b 1:data:c 2:data:d 3:set:e 3:data:a 4:data:f "},
        {"any data", "f(data) data[x] = 1", "1:any-data: 1:any-data: "},
        {"keys of tables", "f{params = 1, host = 'x', data = 2}", ""},
        {"an unfinished long string", "x = [==[ params.a", ""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) seen = g_string_new(NULL);
        g_autoptr(GArray) tokens = lua_lex(rows[i].text, 1);
        lua_scan(tokens, on_mention, seen);
        if (strcmp(seen->str, rows[i].wanted) != 0)
            row_failed(rows[i].why, "got '%s'", seen->str);
    }
}

static const struct {
    const char *path, *text;
} files[] = {
    {"hikeshi/inventory.yaml", "hosts: {db-1: {labels: {role: db}}}\n"},
    {"hikeshi/teams.yaml", "teams: {storage: {members: [a]}}\npolicies: {dba: {need: [{from: [{role: approver}]}]}}\n"},
    {"hikeshi/lib/net/dns.lua", "return {}\n"},
    {"hikeshi/lib/broken.lua", "return {\n"},
    {"hikeshi/lib/hikeshi/mine.lua", "return {}\n"},
    {"runbooks/good.md",
     "---\nparams: {host: {type: host}}\naliases: [old]\n---\n"
     "```lua {step=a}\nssh(params.host):run{'true'}\nlocal d = require('net.dns')\n```\n"
     "```lua {step=b}\n--| approve: dba\n--| hosts: role=db\n--| when: steps.a ~= nil\nssh('db-1'):run{'true'}\n```\n"},
    {"runbooks/bad.md",
     "---\nid: old\nhosts: role=web\nparams: {host: {type: host, required: true}}\n"
     "triggers: [{kind: schedule, cron: '@daily', params: {host: db-9}}]\n---\n"
     "```lua {step=a}\n--| approve: dbaa\n--| hosts: role=db\n--| when: steps.b ==\n"
     "ssh('db-2'):run{params.hots}\nrequire 'net.dnz'\nrequire 'hikeshi.psq'\nrequire 'hikeshi.psql'\n```\n"
     "```lua {step=b}\nif then\n```\n"},
    {"runbooks/more.md",
     "---\nowner: storag\nparams: {host: {type: host}, used: {type: string}}\n"
     "triggers: [{kind: incident, match: {alert: NodeDiskFul}}, {kind: incident, match: {alert: '~^Node'}}]\n---\n"
     "```lua {step=look effect=read}\nlocal used = 1\ndata.used, n = used, 2\nlogg(data.usd)\n"
     "finish('done')\n```\n"
     "```lua {step=dead}\nlog(params.host, n)\n```\n"
     "```sh {step=sh hosts=role=db when=false}\necho $PARAM_USED\n```\n"},
    {"runbooks/broken.md", "---\nhikeshi: 1\ntrigger: []\n---\n```lua {step=a}\nif then\n```\n"},
    {"runbooks/more.test.yaml", "cases: [{name: a, hosts: {db-2: []}, expect: {steps: {lok: ok}}}]\n"},
    {"runbooks/none.test.yaml", "cases: [{name: a}]\n"},
    {"runbooks/notes.md", "# Notes\n```sh\nls\n```\n"},
    {"runbooks/.hidden.md", "```lua {step=\n```\n"},
    {"README.md", "```lua {step=\n```\n"},
};

static const char *const wanted[] = {
    "hikeshi/lib/broken.lua:2:1: error: unexpected symbol near <eof> [lua-syntax]",
    "hikeshi/lib/hikeshi/mine.lua:1:1: error: names that begin with 'hikeshi.' are those of the standard library: "
    "'hikeshi.mine' cannot be required (move it out of hikeshi/lib/hikeshi) [duplicate]",
    "runbooks/bad.md:1:1: warning: no host of the inventory matches 'role=web' [no-hosts]",
    "runbooks/bad.md:4:1: note: nothing reads the param 'host' [unused-param]",
    "runbooks/bad.md:5:1: error: this schedule cannot start: param 'host': the inventory has no host 'db-9' [params]",
    "runbooks/bad.md:7:1: error: unexpected symbol near <eof> [lua-syntax]",
    "runbooks/bad.md:7:1: warning: the step 'b' has not run yet here [step-order]",
    "runbooks/bad.md:7:1: error: there is no policy 'dbaa' (did you mean 'dba'?) [unknown-name]",
    "runbooks/bad.md:7:1: warning: the step 'a' may change something before any step has looked (look first, in a step "
    "with "
    "'effect: read'; or say so if this one only looks) [write-first]",
    "runbooks/bad.md:11:1: error: the inventory has no host 'db-2' (did you mean 'db-1'?) [unknown-name]",
    "runbooks/bad.md:11:17: error: there is no param 'hots' (did you mean 'host'?) [unknown-name]",
    "runbooks/bad.md:12:1: error: there is no module 'net.dnz' (did you mean 'net.dns'?) [unknown-name]",
    "runbooks/bad.md:13:1: error: there is no module 'hikeshi.psq' (did you mean 'hikeshi.psql'?) [unknown-name]",
    "runbooks/bad.md:17:1: error: unexpected symbol near 'then' [lua-syntax]",
    "runbooks/broken.md:3:1: error: unknown key 'trigger' in the front matter of a runbook (did you mean 'triggers'?) "
    "[unknown-key]",
    "runbooks/broken.md:6:1: error: unexpected symbol near 'then' [lua-syntax]",
    "runbooks/good.md:1:1: error: the id 'old' belongs to /runbooks/bad.md already [duplicate]",
    "runbooks/good.md:5:1: warning: the step 'a' may change something before any step has looked (look first, in a "
    "step "
    "with 'effect: read'; or say so if this one only looks) [write-first]",
    "runbooks/more.md:1:1: warning: the owner 'storag' is no team (did you mean 'storage'?) [unknown-team]",
    "runbooks/more.md:4:1: warning: no alert rule is called 'NodeDiskFul' (did you mean 'NodeDiskFull'?) "
    "[unknown-alert]",
    "runbooks/more.md:8:12: warning: 'n' is assigned as a global (write 'local' before it) [global]",
    "runbooks/more.md:9:1: error: there is no 'logg' here (did you mean 'log'?) [undeclared]",
    "runbooks/more.md:9:6: warning: no step up to here sets data.usd (did you mean 'used'?) [unknown-data]",
    "runbooks/more.md:12:1: warning: the step 'dead' never runs: 'look' always ends the run [unreachable]",
    "runbooks/more.md:13:18: error: there is no 'n' here [undeclared]",
    "runbooks/more.md:15:1: warning: 'when: false' never lets 'sh' run [unreachable]",
    "runbooks/more.test.yaml:1:1: error: there is no host in the inventory called 'db-2' (did you mean 'db-1'?) "
    "[unknown-name]",
    "runbooks/more.test.yaml:1:1: error: there is no step 'lok' (did you mean 'look'?) [unknown-name]",
    "runbooks/none.test.yaml:1:1: error: there is no runbook beside this file (name it with 'runbook: ID') [test-file]",
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

static const char *const globals[] = {"ssh", "require", "params", "steps", "data", "log", "finish", "pairs", NULL};
static const char *const alerts[] = {"NodeDiskFull", NULL};
static const char *const modules[] = {"hikeshi.psql", NULL};
static const struct lint_options options = {
    .check_lua = lua_check_syntax, .lua_globals = globals, .lua_modules = modules, .alerts = alerts};

static void test_repository(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("hikeshi-lint-XXXXXX", NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        write_file(folder, files[i].path, files[i].text);
    struct lint_result result;
    g_autoptr(GError) error = NULL;
    assert_true(lint_paths((const char *const[]){folder, folder, NULL}, &options, &result, &error));
    assert_int_equal(result.runbooks, 4);
    assert_int_equal(result.documents, 1);
    assert_int_equal(result.steps, 7);
    assert_int_equal(result.tests, 2);
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

static void on_use(void *arg, const char *name, int line, int column, bool assigned)
{
    g_string_append_printf(arg, "%d:%d%s%s ", line, column, assigned ? "=" : ":", name);
}

static void test_globals(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *wanted;
    } rows[] = {
        {"read", "a(b.c, d:e(), f[g])", "1:1:a 1:3:b 1:8:d 1:15:f 1:17:g "},
        {"locals", "local a, b <const> = 1\nlocal function f() return f, a end\nf(b)", ""},
        {"a local ends with its block", "do local a = 1 end\nreturn a", "2:8:a "},
        {"in each block", "if x then local a elseif a then local b else b() end", "1:4:x 1:26:a 1:46:b "},
        {"params of functions",
         "local f = function(a, ...) return a end\nlocal t = {}\nfunction t.m(x) return x, self end\n"
         "function t:n(x) return x, self end",
         "3:27:self "},
        {"loops", "for i = i, 2 do i() end\nfor k, v in pairs(k) do v(k) end", "1:9:i 2:13:pairs 2:19:k "},
        {"a function in the header of a loop", "for x in f(function() for y in g do y() end end) do x() end",
         "1:10:f 1:32:g "},
        {"the condition of repeat sees its locals", "repeat local a = 1 until a", ""},
        {"assigned", "a = 1\nfunction b() a = 2 end\nb, c.d = 1, a", "1:1=a 2:10=b 3:4:c "},
        {"keys of tables", "local t = {a = 1, b = 2; c = d, [e] = 1, f()}", "1:30:d 1:34:e 1:42:f "},
        {"a function in a table", "local t = {f = function() x() y = 1 end, z = 1}", "1:31=y 1:27:x "},
        {"members", "local s = 'x'\nreturn s:rep(2).a.b", ""},
        {"goto", "goto out\n::out::", ""},
        {"not Lua at all", "end end ) } local", ""},
        {"nothing is closed", "for x in function( if { a", "1:25:a "},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) seen = g_string_new(NULL);
        g_autoptr(GArray) tokens = lua_lex(rows[i].text, 1);
        lua_globals(tokens, on_use, seen);
        if (strcmp(seen->str, rows[i].wanted) != 0)
            row_failed(rows[i].why, "got '%s'", seen->str);
    }
}

/* Every rule that the code names, by any of its ways, is in the table; and every rule of the table is in docs/lint.md.
 */
static void test_rules(void **state)
{
    (void)state;
    g_autoptr(GRegex) regex =
        g_regex_new("(?:\"([a-z]+(?:-[a-z]+)*)\",\\s*FINDING_|field_error\\([^,]+,\\s*\"([a-z-]+)\")", 0, 0, NULL);
    g_autoptr(GDir) dir = g_dir_open("jobs", 0, NULL);
    g_autofree char *docs = NULL;
    assert_true(g_file_get_contents("docs/lint.md", &docs, NULL, NULL));
    int seen = 0;
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename("jobs", name, NULL), *text = NULL;
        bool other = g_str_has_prefix(name, "catalog");
        if (other || !g_str_has_suffix(name, ".c") || !g_file_get_contents(path, &text, NULL, NULL))
            continue;
        g_autoptr(GMatchInfo) match = NULL;
        for (g_regex_match(regex, text, 0, &match); g_match_info_matches(match);
             g_match_info_next(match, NULL), seen++) {
            g_autofree char *first = g_match_info_fetch(match, 1), *second = g_match_info_fetch(match, 2);
            const char *rule = *first ? first : second;
            if (!lint_rule_help(rule))
                row_failed(name, "rule '%s' is not in lint_rules.def", rule);
        }
    }
    assert_true(seen > 60);
    for (const struct lint_rule *rule = lint_rules; rule->id; rule++) {
        g_autofree char *row = g_strdup_printf("\n| `%s` |", rule->id);
        if (!strstr(docs, row))
            row_failed(rule->id, "docs/lint.md has no row for it");
    }
}

static void test_no_such_path(void **state)
{
    (void)state;
    struct lint_result result;
    g_autoptr(GError) error = NULL;
    assert_false(lint_paths((const char *const[]){"/nonexistent/x", NULL}, &options, &result, &error));
    assert_string_equal(error->message, "there is no file or folder '/nonexistent/x'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),       cmocka_unit_test(test_globals),      cmocka_unit_test(test_rules),
        cmocka_unit_test(test_repository), cmocka_unit_test(test_no_such_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
