/* inventory: hosts as YAML has them, and what is wrong with them. */
#include "tests/unit/support.h"

#include "jobs/inventory.h"
#include <string.h>

static char *parse(const char *text)
{
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(json_t) hosts = inventory_parse("i.yaml", text, strlen(text), findings);
    if (hosts)
        return json_text(hosts);
    return finding_to_text(finding_at(findings, 0));
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted; /* wanted: the JSON, or how the first finding begins */
    } rows[] = {
        {"", "[]"},
        {"hosts: {}", "[]"},
        {"hosts: {b: {}, a: {address: 10.0.0.1, port: 2222, user: x, aliases: a.example.com, labels: {role: db, n: 1}, "
         "jump: b}}\n"
         "defaults: {user: ops}",
         "[{\"address\":\"10.0.0.1\",\"aliases\":[\"a.example.com\"],\"host_key\":null,\"identity\":null,\"jump\":"
         "\"b\","
         "\"labels\":{\"n\":\"1\",\"role\":\"db\"},\"name\":\"a\",\"password\":null,\"port\":2222,\"sudo_password\":"
         "null,\"user\":\"x\"},"
         "{\"address\":\"b\",\"aliases\":[],\"host_key\":null,\"identity\":null,\"jump\":null,\"labels\":{},\"name\":"
         "\"b\",\"password\":null,\"port\":22,\"sudo_password\":null,"
         "\"user\":\"ops\"}]"},
        {"host: {}", "i.yaml:1:1: error: unknown key 'host' in the inventory (did you mean 'hosts'?)"},
        {"hosts: {a: {adress: x}}", "i.yaml:1:13: error: unknown key 'adress' in host 'a' (did you mean 'address'?)"},
        {"hosts: [a]", "i.yaml:1:8: error: 'hosts' must be a map"},
        {"hosts: {a: {port: 0}}", "i.yaml:1:19: error: 'port' must be from 1 to 65535, not 0"},
        {"hosts: {a: {address: 'a:22'}}", "[{\"address\":\"a:22\""},
        {"hosts: {a: {address: 'user@a'}}", "i.yaml:1:22: error: 'user@a' is not a host name or IP address"},
        {"hosts: {-a: {}}", "i.yaml:1:9: error: '-a' is not a host name"},
        {"hosts: {a: {aliases: [b]}, b: {}}", "i.yaml:1:28: error: the name 'b' belongs to the host 'a' already"},
        {"hosts: {a: {}, A: {}}", "i.yaml:1:16: error: the name 'A' belongs to the host 'a' already"},
        {"hosts: {a: {jump: c}}", "i.yaml:1:9: error: the jump host 'c' is not in the inventory"},
        {"hosts: {a: {jump: a}}", "i.yaml:1:9: error: the jump hosts of 'a' lead back to it"},
        {"hosts: {a: {jump: b}, b: {jump: a}}", "i.yaml:1:9: error: the jump hosts of 'a' lead back to it"},
        {"hosts: {a: {jump: b}, b: {jump: c}, c: {jump: b}}",
         "i.yaml:1:9: error: more than 8 jump hosts on the way to 'a'"},
        {"hosts: {a: {host_key: abc}}", "i.yaml:1:23: error: 'abc' is not a fingerprint"},
        {"hosts: {a: {identity: /key}}", "i.yaml:1:23: error: 'identity' must be a reference: file:PATH or env:NAME"},
        {"hosts: {a: {password: sw, sudo_password: r}}\ndefaults: {password: all}",
         "[{\"address\":\"a\",\"aliases\":[],\"host_key\":null,"
         "\"identity\":null,\"jump\":null,\"labels\":{},\"name\":\"a\",\"password\":\"sw\",\"port\":22,\"sudo_"
         "password\":\"r\""},
        {"hosts: {a: {}}\ndefaults: {password: all}",
         "[{\"address\":\"a\",\"aliases\":[],\"host_key\":null,\"identity\":null,"
         "\"jump\":null,\"labels\":{},\"name\":\"a\",\"password\":\"all\""},
        {"hosts: {a: {password: 'file:/x'}}", "i.yaml:1:23: error: 'password' must be a name in runner.ssh.passwords"},
        {"hosts: {a: {sudo_password: 'my secret'}}",
         "i.yaml:1:28: error: 'sudo_password' must be a name in runner.ssh.passwords"},
        {"hosts: {a: {labels: {name: b}}}", "i.yaml:1:22: error: the label 'name' is always the host's name"},
        {"hosts: {a: {labels: {x: [1]}}}", "i.yaml:1:25: error: the label 'x' must be text, not list"},
        {"hosts: {a: {user: 'x y'}}", "i.yaml:1:19: error: 'x y' is not a user's name"},
        {"hosts: {a: }}", "i.yaml:"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = parse(rows[i].text);
        if (!g_str_has_prefix(got, rows[i].wanted))
            row_failed(rows[i].text, "got %s", got);
    }
}

static void test_filter(void **state)
{
    (void)state;
    static const char text[] = "hosts: {a: {labels: {role: db}}, b: {labels: {role: web}}, c: {labels: {role: db}}}";
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(json_t) hosts = inventory_parse("i.yaml", text, strlen(text), findings);
    g_autoptr(json_t) all = inventory_filter(hosts, NULL, NULL, NULL);
    g_autoptr(json_t) db = inventory_filter(hosts, "role=db", NULL, NULL);
    assert_int_equal(json_array_size(all), 3);
    assert_int_equal(json_array_size(db), 2);
    g_autoptr(GError) error = NULL;
    assert_null(inventory_filter(hosts, "role", NULL, &error));
}

static void test_select(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *wanted;
    } rows[] = {
        {"all", "*", "a b c"},
        {"a name", "b", "b"},
        {"names as they are asked for, each once", "c, a,c", "c a"},
        {"an alias", "see", "c"},
        {"a filter", "role=db", "a c"},
        {"neither name nor filter", "d", "'d' is neither a host of the inventory nor a filter like 'role=db'"},
        {"one name of many is wrong", "a,d", "'a,d' is neither"},
        {"nothing matches", "role=x", "the inventory has no host that matches 'role=x'"},
        {"a broken filter", "role=", "host filter: column 6"},
    };
    static const char text[] =
        "hosts: {a: {labels: {role: db}}, b: {labels: {role: web}}, c: {aliases: [see], labels: {role: db}}}";
    g_autoptr(finding_list) findings = finding_list_new();
    g_autoptr(json_t) hosts = inventory_parse("i.yaml", text, strlen(text), findings);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) found = inventory_select(hosts, rows[i].text, &error);
        g_autoptr(GString) got = g_string_new(error ? error->message : "");
        for (size_t n = 0; n < json_array_size(found); n++)
            g_string_append_printf(got, "%s%s", n ? " " : "", json_get_string(json_array_get(found, n), "name", "?"));
        if (found ? strcmp(got->str, rows[i].wanted) != 0 : !g_str_has_prefix(got->str, rows[i].wanted))
            row_failed(rows[i].why, "got %s", got->str);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_filter),
                                       cmocka_unit_test(test_select)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
