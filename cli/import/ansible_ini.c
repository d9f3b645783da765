/* ansible_ini: the INI form: [group], [group:children], [group:vars]; a host a line with its variables. */
#include "cli/import/ansible.h"

#include <string.h>

enum section { HOSTS, CHILDREN, VARS };

/* "[web:children]" */
static bool read_section(struct ansible *ansible, const char *line, int number, char **group, enum section *ret)
{
    const char *end = strchr(line, ']');
    if (end == NULL)
        return false;
    g_free(*group);
    *group = g_strndup(line + 1, (gsize)(end - line) - 1);
    char *colon = strrchr(*group, ':');
    *ret = HOSTS;
    if (colon != NULL && strcmp(colon, ":children") == 0)
        *ret = CHILDREN;
    else if (colon != NULL && strcmp(colon, ":vars") == 0)
        *ret = VARS;
    else if (colon != NULL)
        import_note(ansible->import, number, "section '%s' is none of Ansible's", *group);
    if (colon != NULL)
        *colon = '\0';
    ansible_group(ansible, *group);
    return true;
}

static void read_host(struct ansible *ansible, const char *group, const char *line, int number)
{
    g_auto(GStrv) words = NULL;
    if (!g_shell_parse_argv(line, NULL, &words, NULL)) {
        import_note(ansible->import, number, "cannot understand '%s'", line);
        return;
    }
    ansible_hosts(ansible, group, words[0], number);
    for (char **word = words + 1; *word != NULL && **word != '#'; word++) {
        char *equals = strchr(*word, '=');
        if (equals == NULL) {
            import_note(ansible->import, number, "'%s' is not a variable", *word);
            continue;
        }
        *equals = '\0';
        ansible_host_var(ansible, words[0], *word, equals + 1);
    }
}

static void read_var(struct ansible *ansible, const char *group, char *line, int number)
{
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        import_note(ansible->import, number, "'%s' is not a variable", line);
        return;
    }
    *equals = '\0';
    char *value = g_strstrip(equals + 1);
    size_t length = strlen(value);
    if (length >= 2 && (*value == '"' || *value == '\'') && value[length - 1] == *value) {
        value[length - 1] = '\0';
        value++;
    }
    ansible_group_var(ansible, group, g_strchomp(line), value);
}

static void read_line(struct ansible *ansible, enum section section, const char *group, char *line, int number)
{
    if (section == CHILDREN) {
        line[strcspn(line, " \t#")] = '\0';
        ansible_child(ansible, group, line);
    } else if (section == VARS) {
        read_var(ansible, group, line, number);
    } else {
        read_host(ansible, group, line, number);
    }
}

bool import_ansible_ini(struct import *import, const char *text, size_t length, GError **error)
{
    if (!import_is_text(import, text, length, error))
        return false;
    struct ansible ansible;
    ansible_init(&ansible, import);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *group = g_strdup("ungrouped");
    enum section section = HOSTS;
    for (int i = 0; lines[i] != NULL; i++) {
        char *line = g_strstrip(lines[i]);
        if (*line == '\0' || *line == '#' || *line == ';')
            continue;
        if (*line != '[' || !read_section(&ansible, line, i + 1, &group, &section))
            read_line(&ansible, section, group, line, i + 1);
    }
    ansible_finish(&ansible);
    return true;
}
