/* import: what other tools' lists of hosts become, and what is said about the rest. */
#include "cli/import/import.h"
#include "core/yaml_write.h"
#include "jobs/inventory.h"

#include "tests/unit/support.h"

#include <string.h>

/* The inventory as one line of JSON, then each note in a line. */
static char *imported(const char *text)
{
    struct import import;
    GError *error = NULL;
    GString *out = g_string_new(NULL);
    import_init(&import);
    import.file = "f";
    if (!import_guess(text)(&import, text, strlen(text), &error)) {
        g_string_append(out, error->message);
        g_error_free(error);
    } else {
        g_autoptr(json_t) inventory = import_inventory(&import);
        g_autofree char *json = json_text(json_object_get(inventory, "hosts")), *yaml = yaml_write(inventory);
        g_autoptr(finding_list) findings = finding_list_new();
        g_autoptr(json_t) parsed = inventory_parse("i", yaml, strlen(yaml), findings);
        if (parsed == NULL)
            g_string_append_printf(out, "UNREADABLE %s ", finding_at(findings, 0)->message);
        g_string_append(out, json);
        for (size_t i = 0; i < finding_count(import.notes); i++)
            g_string_append_printf(out, "\n%d: %s", finding_at(import.notes, i)->line,
                                   finding_at(import.notes, i)->message);
    }
    import_clear(&import);
    return g_string_free(out, FALSE);
}

struct row {
    const char *why, *text, *wanted;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        g_autofree char *got = imported(rows[i].text);
        if (strcmp(got, rows[i].wanted) != 0)
            row_failed(rows[i].why, "got\n%s\nnot\n%s", got, rows[i].wanted);
    }
}

static void test_openssh(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"the first value counts, patterns give defaults",
         "# mine\nHost db-1 db-2\n  HostName %h.prod.example.com\n  Port 2222\nHost db-2\n  Port 22\nHost db-*\n  "
         "User=ops\n  "
         "IdentityFile \"/k/a b\"\nHost *\n  User nobody\n",
         "{\"db-1\":{\"address\":\"db-1.prod.example.com\",\"identity\":\"file:/k/a "
         "b\",\"port\":2222,\"user\":\"ops\"},"
         "\"db-2\":{\"address\":\"db-2.prod.example.com\",\"identity\":\"file:/k/a "
         "b\",\"port\":2222,\"user\":\"ops\"}}"},
        {"negated patterns", "Host a\nHost * !a\n User x\nHost b\n", "{\"a\":{},\"b\":{\"user\":\"x\"}}"},
        {"jump hosts: known by name, made when they are not, one behind the other",
         "Host bastion\n HostName 203.0.113.5\nHost a\n ProxyJump bastion\nHost b\n ProxyJump "
         "me@gate.example.com:2200,bastion\n",
         "{\"a\":{\"jump\":\"bastion\"},\"b\":{\"jump\":\"bastion\"},\"bastion\":{\"address\":\"203.0.113.5\",\"jump\":"
         "\"gate.example.com\"},\"gate.example.com\":{\"port\":2200,\"user\":\"me\"}}"},
        {"a proxy command that is a jump",
         "Host a\n ProxyCommand ssh -q -W %h:%p -p 2222 ops@bastion\nHost b\n ProxyCommand nc -X 5 %h %p\n",
         "{\"a\":{\"jump\":\"bastion\"},\"b\":{},\"bastion\":{\"port\":2222,\"user\":\"ops\"}}\n"
         "4: host 'b': a ProxyCommand other than ssh -W is not supported: 'nc -X 5 %h %p'"},
        {"IPv6", "Host six\n HostName [2001:db8::1]\n ProxyJump [2001:db8::2]:2222\n",
         "{\"2001-db8--2\":{\"address\":\"2001:db8::2\",\"port\":2222},\"six\":{\"address\":\"2001:db8::1\",\"jump\":"
         "\"2001-db8--2\"}}"},
        {"Match is left out, and says so", "Match user x\n Port 1\nHost a\n Port 2\n",
         "{\"a\":{\"port\":2}}\n1: Match is not supported: its lines are left out"},
        {"what cannot be taken over is named", "Host a\n Port many\n HostKeyAlias x\n User a b\nHost we!rd ü\n",
         "{\"a\":{\"user\":\"a\"}}\n2: 'many' is not a port\n5: 'ü' is not a name that a host can have here: left out\n"
         "3: hostkeyalias is not supported: left out"},
        {"a file that includes itself for ever is cut", "Include /nonexistent/*\nHost a\n",
         "{\"a\":{}}\n1: Include '/nonexistent/*': there is no such file"},
    };
    check_rows(rows, G_N_ELEMENTS(rows));
}

static void test_ansible_ini(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"groups are labels, ranges are hosts",
         "[web]\nweb[01:03].example.com\n[db]\ndb-[a:b] ansible_host=10.0.0.9 ansible_port=2222 # here\n",
         "{\"db-a\":{\"address\":\"10.0.0.9\",\"labels\":{\"db\":\"true\"},\"port\":2222},\"db-b\":{\"address\":\"10.0."
         "0.9\","
         "\"labels\":{\"db\":\"true\"},\"port\":2222},\"web01.example.com\":{\"labels\":{\"web\":\"true\"}},"
         "\"web02.example.com\":{\"labels\":{\"web\":\"true\"}},\"web03.example.com\":{\"labels\":{\"web\":\"true\"}}"
         "}"},
        {"variables: all, then parents, then groups, then the host",
         "[all:vars]\nansible_user=a\nansible_port=1\n[site:children]\nweb\n[site:vars]\nansible_port=2\n[web]\nw1 "
         "ansible_user='c'\nw2\n[web:vars]\nansible_ssh_private_key_file = /k\n",
         "{\"w1\":{\"identity\":\"file:/k\",\"labels\":{\"site\":\"true\",\"web\":\"true\"},\"port\":2,\"user\":\"c\"},"
         "\"w2\":{\"identity\":\"file:/"
         "k\",\"labels\":{\"site\":\"true\",\"web\":\"true\"},\"port\":2,\"user\":\"a\"}}"},
        {"jump hosts in the arguments of ssh",
         "[x]\na ansible_ssh_common_args='-o ProxyCommand=\"ssh -W %h:%p -q bastion\"'\nb ansible_ssh_common_args='-J "
         "ops@bastion'\n",
         "{\"a\":{\"jump\":\"bastion\",\"labels\":{\"x\":\"true\"}},\"b\":{\"jump\":\"bastion\",\"labels\":{\"x\":"
         "\"true\"}},"
         "\"bastion\":{}}"},
        {"templates and other connections are left out",
         "[x]\na ansible_user={{me}} ansible_port='{{ p }}'\nlocalhost ansible_connection=local\n",
         "{\"a\":{\"labels\":{\"x\":\"true\"}}}\n2: port is a template ('{{ p }}'), which only Ansible can evaluate: "
         "left out\n"
         "2: user is a template ('{{me}}'), which only Ansible can evaluate: left out\n"
         "3: host 'localhost' is reached by 'local', not by ssh: left out"},
        {"passwords are left out", "[x]\na ansible_ssh_pass=hunter2 ansible_become_password=hunter3\n",
         "{\"a\":{\"labels\":{\"x\":\"true\"}}}\n2: host 'a': its ansible_password is left out: put a reference into "
         "runner.ssh.passwords of the runner's configuration, and its name here as 'password'\n"
         "2: host 'a': its ansible_become_password is left out: put a reference into runner.ssh.passwords of the "
         "runner's configuration, and its name here as 'sudo_password'"},
        {"groups in a circle", "[a:children]\nb\n[b:children]\na\n[b]\nh\n",
         "{\"h\":{\"labels\":{\"a\":\"true\",\"b\":\"true\"}}}"},
        {"hosts before any group", "h1\nh2 ansible_user=x\n", "{\"h1\":{},\"h2\":{\"user\":\"x\"}}"},
        {"a range that is none", "[g]\nh[b:a] h[1:99999]\n", "{}\n2: 'h[1:99999]' is not a variable"},
    };
    check_rows(rows, G_N_ELEMENTS(rows));
}

static void test_ansible_yaml(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"groups in groups",
         "all:\n  vars: {ansible_user: ops}\n  hosts:\n    mail: {ansible_host: 10.0.0.1}\n  children:\n    web:\n     "
         " hosts:\n        "
         "web[1:2]:\n      vars: {ansible_port: 2222, list: [1]}\n",
         "{\"mail\":{\"address\":\"10.0.0.1\",\"user\":\"ops\"},\"web1\":{\"labels\":{\"web\":\"true\"},\"port\":2222,"
         "\"user\":"
         "\"ops\"},\"web2\":{\"labels\":{\"web\":\"true\"},\"port\":2222,\"user\":\"ops\"}}"},
        {"an unknown key", "---\nweb:\n  host: {a: }\n", "{}\n3: 'host' is none of hosts, vars and children"},
        {"vaults are refused with their place", "web:\n  vars:\n    ansible_password: !vault |\n      $ANSIBLE\n",
         "f:4:1: the tag '!vault' does not fit or is not supported"},
    };
    check_rows(rows, G_N_ELEMENTS(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openssh),
        cmocka_unit_test(test_ansible_ini),
        cmocka_unit_test(test_ansible_yaml),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
