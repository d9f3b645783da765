/* ansible: see ansible.h. Groups become labels: a host of group web has the label web=true. */
#include "cli/import/ansible.h"

#include <string.h>

/* Of one range; of all patterns of a file; of groups in groups. */
enum { MAX_RANGE = 10000, MAX_EXPANDED = 1000000, MAX_GROUP_DEPTH = 32 };

void ansible_init(struct ansible *ansible, struct import *import)
{
    *ansible = (struct ansible){.import = import, .groups = json_object(), .hosts = json_object()};
}

json_t *ansible_group(struct ansible *ansible, const char *name)
{
    json_t *group = json_object_get(ansible->groups, name);
    if (group == NULL) {
        group = json_pack("{s:{}, s:{}}", "parents", "vars");
        json_object_set_new_nocheck(ansible->groups, name, group);
    }
    return group;
}

void ansible_child(struct ansible *ansible, const char *parent, const char *child)
{
    ansible_group(ansible, parent);
    json_object_set_new_nocheck(json_object_get(ansible_group(ansible, child), "parents"), parent, json_true());
}

/* ---- patterns of hosts ---- */

static void add_text(GPtrArray *names, const char *before, const char *middle, const char *after)
{
    g_ptr_array_add(names, g_strconcat(before, middle, after, NULL));
}

/* "01:10", "1:10:2", "a:f". False: it is none. */
static bool expand_range(const char *range, const char *before, const char *after, GPtrArray *names)
{
    g_auto(GStrv) parts = g_strsplit(range, ":", -1);
    guint count = g_strv_length(parts);
    gint64 from, to, step = 1;
    if (count < 2 || count > 3 || (count == 3 && !g_ascii_string_to_signed(parts[2], 10, 1, MAX_RANGE, &step, NULL)))
        return false;
    if (g_ascii_isalpha(*parts[0]) && g_ascii_isalpha(*parts[1]) && !parts[0][1] && !parts[1][1]) {
        for (gint64 letter = *parts[0]; letter <= *parts[1]; letter += step)
            add_text(names, before, (char[]){(char)letter, '\0'}, after);
        return true;
    }
    if (!g_ascii_string_to_signed(parts[0], 10, 0, G_MAXINT32, &from, NULL) ||
        !g_ascii_string_to_signed(parts[1], 10, from, G_MAXINT32, &to, NULL) || (to - from) / step >= MAX_RANGE)
        return false;
    int width = *parts[0] == '0' ? (int)strlen(parts[0]) : 0;
    for (gint64 number = from; number <= to; number += step) {
        g_autofree char *digits = g_strdup_printf("%0*" G_GINT64_FORMAT, width, number);
        add_text(names, before, digits, after);
    }
    return true;
}

/* The names of a pattern, each [range] of it expanded in turn. */
static GPtrArray *expand(struct ansible *ansible, const char *pattern)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(names, g_strdup(pattern));
    for (guint i = 0; i < names->len && names->len < MAX_RANGE && ansible->expanded < MAX_EXPANDED;) {
        const char *name = names->pdata[i], *open = strchr(name, '['), *close = open ? strchr(open, ']') : NULL;
        if (close == NULL) {
            i++;
            continue;
        }
        g_autofree char *before = g_strndup(name, (gsize)(open - name));
        g_autofree char *range = g_strndup(open + 1, (gsize)(close - open) - 1), *after = g_strdup(close + 1);
        if (!expand_range(range, before, after, names))
            i++;
        else
            g_ptr_array_remove_index(names, i);
    }
    ansible->expanded += names->len;
    return names;
}

void ansible_hosts(struct ansible *ansible, const char *group, const char *pattern, int line)
{
    g_autoptr(GPtrArray) names = expand(ansible, pattern);
    ansible_group(ansible, group);
    for (guint i = 0; i < names->len; i++) {
        json_t *host = json_object_get(ansible->hosts, names->pdata[i]);
        if (host == NULL) {
            host = json_pack("{s:{}, s:{}, s:i}", "groups", "vars", "line", line);
            json_object_set_new_nocheck(ansible->hosts, names->pdata[i], host);
        }
        json_object_set_new_nocheck(json_object_get(host, "groups"), group, json_true());
    }
}

void ansible_host_var(struct ansible *ansible, const char *pattern, const char *name, const char *value)
{
    g_autoptr(GPtrArray) names = expand(ansible, pattern);
    for (guint i = 0; i < names->len; i++) {
        json_t *vars = json_object_get(json_object_get(ansible->hosts, names->pdata[i]), "vars");
        if (vars != NULL)
            json_object_set_new_nocheck(vars, name, json_text_value(value, strlen(value)));
    }
}

void ansible_group_var(struct ansible *ansible, const char *group, const char *name, const char *value)
{
    json_object_set_new_nocheck(json_object_get(ansible_group(ansible, group), "vars"), name,
                                json_text_value(value, strlen(value)));
}

/* ---- which groups a host is in ---- */

/* What a host is given from one group: its label, and variables, after those of the group's parents. seen: once each.
 */
static void apply_group(struct ansible *ansible, const char *name, json_t *vars, json_t *seen, int depth)
{
    const json_t *group = json_object_get(ansible->groups, name);
    const char *parent;
    json_t *unused;
    if (depth > MAX_GROUP_DEPTH || json_object_get(seen, name) != NULL)
        return;
    json_object_set_new_nocheck(seen, name, json_string("true"));
    json_object_foreach (json_object_get(group, "parents"), parent, unused)
        apply_group(ansible, parent, vars, seen, depth + 1);
    json_object_update(vars, json_object_get(group, "vars"));
}

/* ---- variables that mean something here ---- */

static const char *value_of(const json_t *vars, const char *name, const char *old_name)
{
    const char *value = json_get_string(vars, name, NULL);
    return value ? value : json_get_string(vars, old_name, NULL);
}

/* "-o ProxyJump=bastion", "-J bastion", "-o ProxyCommand='ssh -W %h:%p bastion'" */
static void read_ssh_args(struct import *import, const char *name, const char *text, int line)
{
    g_auto(GStrv) words = NULL;
    if (!g_shell_parse_argv(text, NULL, &words, NULL)) {
        import_note(import, line, "host '%s': cannot understand the ssh arguments '%s'", name, text);
        return;
    }
    for (char **word = words; *word != NULL; word++) {
        const char *option = g_str_has_prefix(*word, "-o") ? (*word)[2] ? *word + 2 : word[1] : NULL;
        if (strcmp(*word, "-J") == 0 && word[1] != NULL)
            import_set_jump(import, name, word[1], line);
        else if (option != NULL && g_ascii_strncasecmp(option, "ProxyJump=", 10) == 0)
            import_set_jump(import, name, option + 10, line);
        else if (option != NULL && g_ascii_strncasecmp(option, "ProxyCommand=", 13) == 0)
            import_set_proxy_command(import, name, option + 13, line);
    }
}

static bool is_ssh(struct import *import, const char *name, const json_t *vars, int line)
{
    const char *connection = json_get_string(vars, "ansible_connection", "ssh");
    if (strcmp(connection, "ssh") == 0 || strcmp(connection, "smart") == 0 || strcmp(connection, "paramiko") == 0)
        return true;
    import_note(import, line, "host '%s' is reached by '%s', not by ssh: left out", name, connection);
    return false;
}

/* An inventory of ours holds none; and the note does not hold it either. */
static void leave_out_passwords(struct import *import, const char *name, const json_t *vars, int line)
{
    static const struct {
        const char *variable, *old_name, *key;
    } rows[] = {
        {"ansible_password", "ansible_ssh_pass", "password"},
        {"ansible_become_password", "ansible_become_pass", "sudo_password"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (value_of(vars, rows[i].variable, rows[i].old_name) != NULL)
            import_note(import, line,
                        "host '%s': its %s is left out: put a reference into runner.ssh.passwords of the runner's "
                        "configuration, and its name here as '%s'",
                        name, rows[i].variable, rows[i].key);
}

static void fill_host(struct ansible *ansible, const char *name, const json_t *vars, json_t *labels, int line)
{
    struct import *import = ansible->import;
    const char *address = value_of(vars, "ansible_host", "ansible_ssh_host"),
               *port = value_of(vars, "ansible_port", "ansible_ssh_port"),
               *user = value_of(vars, "ansible_user", "ansible_ssh_user"),
               *identity = value_of(vars, "ansible_ssh_private_key_file", "ansible_private_key_file");
    json_t *host = is_ssh(import, name, vars, line) ? import_host(import, name, line) : NULL;
    if (host == NULL)
        return;
    if (address != NULL && strcmp(address, name) != 0)
        import_set_address(import, host, address, line);
    if (port != NULL)
        import_set_port(import, host, port, line);
    if (user != NULL)
        import_set_user(import, host, user, line);
    if (identity != NULL)
        import_set_identity(import, host, identity, line);
    leave_out_passwords(import, name, vars, line);
    json_object_set(host, "labels", labels);
}

static void read_jumps(struct ansible *ansible, const char *name, const json_t *vars, int line)
{
    static const char *const keys[] = {"ansible_ssh_common_args", "ansible_ssh_extra_args"};
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *text = json_get_string(vars, keys[i], NULL);
        if (text != NULL && json_object_get(ansible->import->hosts, name) != NULL)
            read_ssh_args(ansible->import, name, text, line);
    }
}

void ansible_finish(struct ansible *ansible)
{
    const char *name, *group_name;
    json_t *entry, *group;
    json_object_foreach (ansible->hosts, name, entry) {
        json_t *vars = json_object(), *labels = json_object();
        apply_group(ansible, "all", vars, labels, 0);
        json_object_foreach (json_object_get(entry, "groups"), group_name, group)
            apply_group(ansible, group_name, vars, labels, 0);
        json_object_del(labels, "all");
        json_object_del(labels, "ungrouped");
        json_object_update(vars, json_object_get(entry, "vars"));
        json_object_set_new(entry, "vars", vars);
        fill_host(ansible, name, vars, labels, (int)json_get_integer(entry, "line", 0));
        json_decref(labels);
    }
    /* When all are there: a jump host is one of them. */
    json_object_foreach (ansible->hosts, name, entry)
        read_jumps(ansible, name, json_object_get(entry, "vars"), (int)json_get_integer(entry, "line", 0));
    json_decref(ansible->groups);
    json_decref(ansible->hosts);
}
