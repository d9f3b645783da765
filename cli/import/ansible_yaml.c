/* ansible_yaml: the YAML form: groups with hosts, vars and children. */
#include "cli/import/ansible.h"
#include "core/yaml.h"

#include <string.h>

enum { MAX_GROUP_DEPTH = 32 };

static bool is_scalar(const struct yaml_node *node)
{
    return node->kind != YAML_LIST && node->kind != YAML_MAP && node->kind != YAML_NULL;
}

static void read_hosts(struct ansible *ansible, const char *group, const struct yaml_node *hosts)
{
    for (size_t i = 0; hosts->kind == YAML_MAP && i < hosts->count; i++) {
        const struct yaml_node *name = hosts->keys[i], *vars = hosts->items[i];
        ansible_hosts(ansible, group, name->text, name->line);
        for (size_t k = 0; vars->kind == YAML_MAP && k < vars->count; k++)
            if (is_scalar(vars->items[k])) /* others mean nothing here */
                ansible_host_var(ansible, name->text, vars->keys[k]->text, vars->items[k]->text);
    }
}

static void read_group(struct ansible *ansible, const char *name, const struct yaml_node *group, int depth)
{
    ansible_group(ansible, name);
    if (group->kind != YAML_MAP || depth > MAX_GROUP_DEPTH)
        return;
    for (size_t i = 0; i < group->count; i++) {
        const struct yaml_node *key = group->keys[i], *value = group->items[i];
        if (strcmp(key->text, "hosts") == 0) {
            read_hosts(ansible, name, value);
        } else if (strcmp(key->text, "vars") == 0) {
            for (size_t k = 0; value->kind == YAML_MAP && k < value->count; k++)
                if (is_scalar(value->items[k]))
                    ansible_group_var(ansible, name, value->keys[k]->text, value->items[k]->text);
        } else if (strcmp(key->text, "children") == 0) {
            for (size_t k = 0; value->kind == YAML_MAP && k < value->count; k++) {
                ansible_child(ansible, name, value->keys[k]->text);
                read_group(ansible, value->keys[k]->text, value->items[k], depth + 1);
            }
        } else {
            import_note(ansible->import, key->line, "'%s' is none of hosts, vars and children", key->text);
        }
    }
}

bool import_ansible_yaml(struct import *import, const char *text, size_t length, GError **error)
{
    g_autoptr(yaml_document) document = yaml_parse(text, length, import->file, 0, error);
    if (document == NULL)
        return false;
    const struct yaml_node *root = yaml_root(document);
    struct ansible ansible;
    ansible_init(&ansible, import);
    for (size_t i = 0; root->kind == YAML_MAP && i < root->count; i++)
        read_group(&ansible, root->keys[i]->text, root->items[i], 0);
    ansible_finish(&ansible);
    return true;
}
