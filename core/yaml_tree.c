/* yaml_tree: walking what yaml.c built. Knows no parser. */
#include "core/yaml.h"
#include <math.h>
#include <string.h>

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

static json_t *scalar_to_json(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_NULL:
        return json_null();
    case YAML_BOOL:
        return json_boolean(node->boolean);
    case YAML_INTEGER:
        return json_integer(node->integer);
    case YAML_FLOAT:
        if (isfinite(node->number))
            return json_real(node->number);
        return json_text_value(node->text, node->text_length); /* JSON has no infinity */
    default:
        return json_text_value(node->text, node->text_length);
    }
}

json_t *yaml_to_json(const struct yaml_node *node)
{
    if (node->kind == YAML_LIST) {
        json_t *list = json_array();
        for (size_t i = 0; i < node->count; i++)
            json_array_append_new(list, yaml_to_json(node->items[i]));
        return list;
    }
    if (node->kind == YAML_MAP) {
        json_t *map = json_object();
        for (size_t i = 0; i < node->count; i++)
            json_object_set_new(map, node->keys[i]->text, yaml_to_json(node->items[i]));
        return map;
    }
    return scalar_to_json(node);
}

const char *yaml_kind_name(enum yaml_kind kind)
{
    static const char *const names[] = {"null", "boolean", "integer", "number", "string", "list", "map"};
    return names[kind];
}
