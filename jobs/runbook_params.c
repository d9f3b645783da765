/* runbook_params: declarations of params and inputs. What values must look like is params.c. */
#include "core/regex.h"
#include "jobs/runbook_parse.h"
#include <math.h>
#include <string.h>

const char *const param_type_names[] = {
    [PARAM_STRING] = "string", [PARAM_INTEGER] = "integer", [PARAM_NUMBER] = "number",     [PARAM_BOOLEAN] = "boolean",
    [PARAM_CHOICE] = "choice", [PARAM_HOST] = "host",       [PARAM_DURATION] = "duration", NULL,
};

enum param_type param_type_named(const char *name)
{
    for (int type = 0; name && param_type_names[type]; type++) {
        if (strcmp(param_type_names[type], name) == 0)
            return (enum param_type)type;
    }
    return PARAM_STRING;
}

void param_free(struct param *param)
{
    g_free(param->name);
    json_decref(param->fallback);
    g_free(param->pattern);
    json_decref(param->choices);
    g_free(param->description);
    g_free(param->from);
    g_free(param);
}

/* One declaration while it is read: values that depend on the type are read after it. */
struct declaration {
    struct param *param;
    char *type;
    bool required_said;
    const struct yaml_node *minimum, *maximum, *fallback, *choices, *pattern, *lengths;
};

#define KEEP(member)                                                                                                   \
    static void keep_##member(const struct field_reader *reader G_GNUC_UNUSED,                                         \
                              const struct yaml_node *key G_GNUC_UNUSED, const struct yaml_node *value, void *target)  \
    {                                                                                                                  \
        ((struct declaration *)target)->member = value;                                                                \
    }
KEEP(minimum)
KEEP(maximum)
KEEP(fallback)
KEEP(choices)
KEEP(pattern)

static void read_required(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                          void *target)
{
    static const struct field row = {"required", FIELD_BOOL, .offset = offsetof(struct param, required)};
    struct declaration *declaration = target;
    declaration->required_said = field_read_value(reader, &row, key, value, declaration->param);
}

static void read_description(const struct field_reader *reader, const struct yaml_node *key,
                             const struct yaml_node *value, void *target)
{
    static const struct field row = {"description", FIELD_STRING, .offset = offsetof(struct param, description)};
    field_read_value(reader, &row, key, value, ((struct declaration *)target)->param);
}

static void read_from(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                      void *target)
{
    static const struct field row = {"from", FIELD_STRING, .offset = offsetof(struct param, from)};
    static const char *const roots[] = {"incident", "alert", NULL};
    struct declaration *declaration = target;
    if (declaration->param->input)
        field_error(reader, "bad-value", key, NULL, "an input is filled in by the approver and has no 'from'");
    else if (field_read_value(reader, &row, key, value, declaration->param))
        parser_check_path(reader, value, declaration->param->from, roots);
}

static void read_length(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                        void *target)
{
    struct declaration *declaration = target;
    bool minimum = strcmp(key->text, "min_length") == 0;
    struct field row = {key->text, FIELD_INTEGER, .minimum = 0, .maximum = 1 << 20};
    row.offset = minimum ? offsetof(struct param, min_length) : offsetof(struct param, max_length);
    declaration->lengths = key;
    field_read_value(reader, &row, key, value, declaration->param);
}

const struct field runbook_param_fields[] = {
    {"type", FIELD_STRING, .offset = offsetof(struct declaration, type), .choices = param_type_names, .required = true,
     .help = "what values it takes"},
    {"required", FIELD_READ, .read = read_required, .shape = SHAPE_BOOL, .help = "nothing starts without a value"},
    {"default", FIELD_READ, .read = keep_fallback, .shape = SHAPE_ANY, .help = "the value when none is given"},
    {"minimum", FIELD_READ, .read = keep_minimum, .shape = SHAPE_TEXT, .help = "least number or duration"},
    {"maximum", FIELD_READ, .read = keep_maximum, .shape = SHAPE_TEXT, .help = "greatest number or duration"},
    {"min_length", FIELD_READ, .read = read_length, .shape = SHAPE_INTEGER, .minimum = 0, .maximum = 1 << 20,
     .help = "least number of characters"},
    {"max_length", FIELD_READ, .read = read_length, .shape = SHAPE_INTEGER, .minimum = 0, .maximum = 1 << 20,
     .help = "greatest number of characters"},
    {"pattern", FIELD_READ, .read = keep_pattern, .shape = SHAPE_TEXT,
     .help = "regular expression (PCRE) for the whole value"},
    {"choices", FIELD_READ, .read = keep_choices, .shape = SHAPE_TEXTS,
     .help = "the values of type choice; of an input also a path such as data.candidates"},
    {"description", FIELD_READ, .read = read_description, .shape = SHAPE_TEXT, .help = "what people see beside it"},
    {"from", FIELD_READ, .read = read_from, .shape = SHAPE_TEXT,
     .help = "path that gives the value when an incident starts the run: alert.labels.NAME, incident.title"},
    {NULL},
};

static const char *noun(const struct param *param)
{
    return param->input ? "input" : "param";
}

static bool misfit(const struct field_reader *reader, const struct yaml_node *at, const char *key,
                   const struct param *param)
{
    field_error(reader, "bad-value", at, NULL, "'%s' has no meaning for %s %s of type %s", key,
                param->input ? "an" : "a", noun(param), param_type_names[param->type]);
    return false;
}

/* minimum and maximum: a number, or a duration for durations. */
static void read_bound(const struct field_reader *reader, const struct yaml_node *value, const char *key,
                       struct param *param, bool *has, double *ret)
{
    if (!value)
        return;
    if (param->type == PARAM_DURATION) {
        int64_t ms = 0;
        struct field row = {key, FIELD_DURATION, .minimum = 0, .maximum = INT64_MAX};
        *has = field_read_value(reader, &row, value, value, &ms);
        *ret = (double)ms / 1000;
    } else if (param->type != PARAM_INTEGER && param->type != PARAM_NUMBER) {
        misfit(reader, value, key, param);
    } else if ((value->kind != YAML_INTEGER && value->kind != YAML_FLOAT) || !isfinite(value->number)) {
        field_error(reader, "bad-value", value, NULL, "'%s' must be a number", key);
    } else {
        *has = true;
        *ret = value->number;
    }
}

static void read_pattern(const struct field_reader *reader, const struct yaml_node *value, struct param *param)
{
    static const struct field row = {"pattern", FIELD_STRING, .offset = offsetof(struct param, pattern)};
    if (!value || (param->type != PARAM_STRING && !misfit(reader, value, "pattern", param)))
        return;
    g_autoptr(GError) error = NULL;
    if (!field_read_value(reader, &row, value, value, param))
        return;
    g_autoptr(GRegex) regex = regex_new(param->pattern, true, &error);
    if (!regex)
        field_error(reader, "bad-value", value, NULL, "%s", error->message);
}

static void read_choices(const struct field_reader *reader, const struct declaration *declaration,
                         const struct yaml_node *map)
{
    struct param *param = declaration->param;
    const struct yaml_node *value = declaration->choices;
    if (!value) {
        if (param->type == PARAM_CHOICE)
            field_error(reader, "missing-key", map, NULL, "%s %s of type choice needs the key 'choices'",
                        param->input ? "an" : "a", noun(param));
        return;
    }
    if (param->type != PARAM_CHOICE && !misfit(reader, value, "choices", param))
        return;
    bool path = param->input && value->kind == YAML_STRING;
    static const char *const roots[] = {"data", NULL};
    bool scalars = value->kind == YAML_LIST && value->count > 0;
    for (size_t i = 0; scalars && i < value->count; i++)
        scalars = value->items[i]->kind != YAML_LIST && value->items[i]->kind != YAML_MAP &&
                  value->items[i]->kind != YAML_NULL;
    if (path ? parser_check_path(reader, value, value->text, roots) : scalars)
        param->choices = yaml_to_json(value);
    else if (!path)
        field_error(reader, "bad-value", value, NULL, "'choices' must be a list of values%s",
                    param->input ? ", or a path such as data.candidates" : "");
}

static void read_fallback(const struct field_reader *reader, const struct yaml_node *value, struct param *param)
{
    if (!value || value->kind == YAML_NULL)
        return;
    if (param->required)
        field_error(reader, "bad-value", value, NULL, "a required %s has no default", noun(param));
    g_autoptr(json_t) json = yaml_to_json(value);
    g_autoptr(GError) error = NULL;
    param->fallback = json_is_string(param->choices) ? json_incref(json) : param_convert(param, json, NULL, &error);
    if (error)
        field_error(reader, "bad-value", value, NULL, "the default does not fit: %s", error->message);
}

static void check_bounds(const struct field_reader *reader, const struct declaration *declaration)
{
    const struct param *param = declaration->param;
    if (param->has_minimum && param->has_maximum && param->minimum > param->maximum)
        field_error(reader, "bad-value", declaration->minimum, NULL, "'minimum' is more than 'maximum'");
    if (declaration->lengths && param->type != PARAM_STRING)
        misfit(reader, declaration->lengths, declaration->lengths->text, param);
    else if (param->min_length >= 0 && param->max_length >= 0 && param->min_length > param->max_length)
        field_error(reader, "bad-value", declaration->lengths, NULL, "'min_length' is more than 'max_length'");
}

static struct param *read_declaration(const struct field_reader *reader, const struct yaml_node *name,
                                      const struct yaml_node *map, bool input)
{
    struct param *param = g_new0(struct param, 1);
    param->name = g_strdup(name->text);
    param->line = name->line;
    param->min_length = param->max_length = -1;
    param->input = input;
    struct declaration declaration = {.param = param};
    g_autofree char *what = g_strdup_printf("%s '%s'", noun(param), name->text);
    field_read_map(reader, map, what, runbook_param_fields, &declaration);
    param->type = param_type_named(declaration.type);
    if (declaration.type) {
        read_bound(reader, declaration.minimum, "minimum", param, &param->has_minimum, &param->minimum);
        read_bound(reader, declaration.maximum, "maximum", param, &param->has_maximum, &param->maximum);
        read_pattern(reader, declaration.pattern, param);
        read_choices(reader, &declaration, map);
        check_bounds(reader, &declaration);
        read_fallback(reader, declaration.fallback, param);
    }
    if (input && !declaration.required_said) /* what is asked for is to be answered */
        param->required = !param->fallback;
    g_free(declaration.type);
    return param;
}

static void read_declarations(const struct field_reader *reader, const struct yaml_node *map, GPtrArray *list,
                              bool input)
{
    if (map->kind == YAML_NULL)
        return;
    if (map->kind != YAML_MAP) {
        field_error(reader, "bad-value", map, NULL, "'%s' must be a map: name: {type: ...}",
                    input ? "inputs" : "params");
        return;
    }
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *name = map->keys[i];
        if (!field_is_name(name->text, false))
            field_error(reader, "bad-value", name, NULL,
                        "the name '%s' must be of small letters, digits and _, a letter first", name->text);
        g_ptr_array_add(list, read_declaration(reader, name, map->items[i], input));
    }
}

void runbook_read_params(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                         const struct yaml_node *value, void *target)
{
    read_declarations(reader, value, ((struct runbook *)target)->params, false);
}

void runbook_read_inputs(const struct field_reader *reader, const struct yaml_node *key G_GNUC_UNUSED,
                         const struct yaml_node *value, void *target)
{
    read_declarations(reader, value, ((struct runbook *)target)->inputs, true);
}
