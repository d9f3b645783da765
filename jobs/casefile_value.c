/* casefile_value: see casefile_value.h. */
#include "jobs/casefile_value.h"

bool casefile_is_scalar(const struct yaml_node *value)
{
    return value->kind != YAML_NULL && value->kind != YAML_LIST && value->kind != YAML_MAP;
}

bool casefile_want(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                   bool fine, const char *what)
{
    if (!fine)
        field_error(reader, "bad-value", value, NULL, "'%s' must be %s", key->text, what);
    return fine;
}

CASEFILE_READER(casefile_text)
{
    if (casefile_want(reader, key, value, casefile_is_scalar(value), "text"))
        json_object_set_new(target, key->text, json_text_value(value->text, value->text_length));
}

CASEFILE_READER(casefile_words)
{
    json_t *words = json_array();
    bool fine = value->kind == YAML_LIST;
    for (size_t i = 0; fine && i < value->count; i++) {
        fine = casefile_is_scalar(value->items[i]);
        json_array_append_new(words, json_text_value(value->items[i]->text, value->items[i]->text_length));
    }
    if (casefile_want(reader, key, value, fine, "a list of words, as in [df, -P, /]"))
        json_object_set(target, key->text, words);
    json_decref(words);
}

CASEFILE_READER(casefile_map)
{
    if (casefile_want(reader, key, value, value->kind == YAML_MAP, "a map"))
        json_object_set_new(target, key->text, yaml_to_json(value));
}

CASEFILE_READER(casefile_text_map)
{
    json_t *env = json_object();
    bool fine = value->kind == YAML_MAP;
    for (size_t i = 0; fine && i < value->count; i++) {
        fine = casefile_is_scalar(value->items[i]);
        json_object_set_new(env, value->keys[i]->text,
                            json_text_value(value->items[i]->text, value->items[i]->text_length));
    }
    if (casefile_want(reader, key, value, fine, "a map of names to texts"))
        json_object_set(target, key->text, env);
    json_decref(env);
}

void casefile_choice(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                     json_t *target, const char *const *choices)
{
    if (casefile_is_scalar(value) && g_strv_contains(choices, value->text)) {
        json_object_set_new(target, key->text, json_string(value->text));
        return;
    }
    g_autofree char *all = g_strjoinv(", ", (char **)choices);
    field_error(reader, "bad-value", value, casefile_is_scalar(value) ? finding_nearest(value->text, choices) : NULL,
                "'%s' must be one of %s", key->text, all);
}
