/* schema: one function a level: a value, many values, a map of keys. */
#include "jobs/schema.h"
#include "jobs/field.h"
#include "jobs/fields.h"
#include <string.h>

const struct schema schemas[] = {
    {"runbook", "The front matter of a runbook", runbook_front_fields},
    {"step", "The attributes of a step", runbook_step_fields},
    {"inventory", "hikeshi/inventory.yaml: hosts that steps may reach", inventory_fields},
    {"teams", "hikeshi/teams.yaml: teams and approval policies", policy_file_fields},
    {"test", "NAME.test.yaml: cases of a runbook", casefile_fields},
    {NULL},
};

static json_t *type_of(const char *names)
{
    g_auto(GStrv) parts = g_strsplit(names, " ", -1);
    json_t *types = json_array();
    for (char **part = parts; *part; part++)
        json_array_append_new(types, json_string(*part));
    return json_pack("{s:o}", "type", types);
}

static json_t *any_of(json_t *first, json_t *second)
{
    return json_pack("{s:[o, o]}", "anyOf", first, second);
}

/* YAML has no way to ask for text: 22, true and 1.5 are read as what stands there. */
static json_t *text(const struct field *field)
{
    json_t *words = json_array();
    for (const char *const *choice = field->choices; choice && *choice; choice++)
        json_array_append_new(words, json_string(*choice));
    if (json_array_size(words) > 0)
        return json_pack("{s:o}", "enum", words);
    json_decref(words);
    return type_of("string number boolean");
}

static json_t *text_or_list(const struct field *field)
{
    json_t *item = text(field);
    return any_of(json_incref(item), json_pack("{s:s, s:o}", "type", "array", "items", item));
}

static json_t *integer(const struct field *field)
{
    return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)field->minimum, "maximum",
                     (json_int_t)field->maximum);
}

/* clock_duration_parse(): "1h30m", and bare seconds. */
static json_t *duration(void)
{
    return any_of(json_pack("{s:s, s:i}", "type", "integer", "minimum", 0),
                  json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9]+([a-z]+([0-9]+[a-z]+)*)?$"));
}

/* An empty value is an empty map or list: so is what is being typed. */
static json_t *map_of(json_t *values)
{
    json_t *map = type_of("object null");
    json_object_set_new(map, "additionalProperties", values);
    return map;
}

static json_t *list_of(json_t *items)
{
    json_t *list = type_of("array null");
    json_object_set_new(list, "items", items);
    return list;
}

static json_t *of_field(const struct field *field);

static json_t *of_fields(const struct field *fields)
{
    json_t *map = type_of("object null"), *properties = json_object(), *required = json_array();
    for (const struct field *field = fields; field->key; field++) {
        json_object_set_new(properties, field->key, of_field(field));
        if (field->required)
            json_array_append_new(required, json_string(field->key));
    }
    json_object_set_new(map, "properties", properties);
    json_object_set_new(map, "required", required);
    json_object_set_new(map, "patternProperties", json_pack("{s:{}}", "^x-"));
    json_object_set_new(map, "additionalProperties", json_false());
    return map;
}

/* One `if` for each kind. */
static json_t *of_variants(const struct field *field)
{
    json_t *all = json_array(), *kind = text(field);
    for (size_t i = 0; field->choices[i]; i++) {
        json_t *is =
            json_pack("{s:{s:{s:s}}, s:[s]}", "properties", "kind", "const", field->choices[i], "required", "kind");
        json_array_append_new(all, json_pack("{s:o, s:o}", "if", is, "then", of_fields(field->variants[i])));
    }
    return json_pack("{s:s, s:{s:o}, s:[s], s:o}", "type", "object", "properties", "kind", kind, "required", "kind",
                     "allOf", all);
}

static enum field_shape shape_of(const struct field *field)
{
    static const enum field_shape shapes[] = {
        [FIELD_STRING] = SHAPE_TEXT,     [FIELD_STRINGS] = SHAPE_TEXTS,     [FIELD_BOOL] = SHAPE_BOOL,
        [FIELD_INTEGER] = SHAPE_INTEGER, [FIELD_DURATION] = SHAPE_DURATION, [FIELD_JSON] = SHAPE_ANY,
        [FIELD_READ] = SHAPE_ANY,        [FIELD_IGNORE] = SHAPE_ANY,
    };
    return field->shape != SHAPE_OF_KIND ? field->shape : shapes[field->kind];
}

static json_t *of_one(const struct field *field)
{
    switch (shape_of(field)) {
    case SHAPE_TEXT:
        return text(field);
    case SHAPE_TEXTS:
        return text_or_list(field);
    case SHAPE_BOOL:
        return type_of("boolean");
    case SHAPE_BOOL_OR_NULL:
        return type_of("boolean null");
    case SHAPE_INTEGER:
        return integer(field);
    case SHAPE_DURATION:
        return duration();
    case SHAPE_TEXT_MAP:
        return map_of(type_of("string number boolean"));
    case SHAPE_MAP:
        return type_of("object null");
    case SHAPE_FIELDS:
        return field->choices ? any_of(text(field), of_fields(field->fields)) : of_fields(field->fields);
    case SHAPE_VARIANTS:
        return of_variants(field);
    case SHAPE_ANY:
    case SHAPE_OF_KIND:
        break;
    }
    return json_object();
}

static json_t *of_many(const struct field *field)
{
    switch (field->many) {
    case MANY_LIST:
        return list_of(of_one(field));
    case MANY_MAP:
        return map_of(of_one(field));
    case MANY_MAP_OF_LISTS:
        return map_of(list_of(of_one(field)));
    case MANY_NOT:
        break;
    }
    return of_one(field);
}

static json_t *of_field(const struct field *field)
{
    json_t *schema = field->refused ? json_pack("{s:{}}", "not") : of_many(field);
    g_autofree char *help = field->refused        ? g_strdup_printf("refused by this version: %s", field->refused)
                            : field->not_enforced ? g_strdup_printf("%s (not enforced by this version: %s)",
                                                                    field->help, field->not_enforced)
                                                  : g_strdup(field->help);
    json_set_string(schema, "description", help);
    return schema;
}

json_t *schema_json(const struct schema *schema)
{
    json_t *json = of_fields(schema->fields);
    json_set_string(json, "$schema", "http://json-schema.org/draft-07/schema#");
    json_set_string(json, "title", schema->title);
    return json;
}
