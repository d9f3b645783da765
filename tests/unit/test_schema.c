/* Each key of each YAML format says what it is for and what its value looks like: schemas are made of that. That the
 * schemas take what the readers take: tests/box/test_schemas.py. */
#include "tests/unit/support.h"

#include "jobs/fields.h"
#include "jobs/schema.h"

static int walk(const char *where, const struct field *fields)
{
    int missing = 0;
    for (const struct field *field = fields; field->key; field++) {
        g_autofree char *name = g_strdup_printf("%s.%s", where, field->key);
        if (!field->help)
            missing++, print_error("%s has no .help\n", name);
        if (field->kind == FIELD_READ && field->shape == SHAPE_OF_KIND)
            missing++, print_error("%s has no .shape\n", name);
        if (field->shape == SHAPE_FIELDS)
            missing += walk(name, field->fields);
        for (size_t i = 0; field->shape == SHAPE_VARIANTS && field->choices[i]; i++)
            missing += walk(name, field->variants[i]);
    }
    return missing;
}

static void test_keys(void **state)
{
    (void)state;
    int missing = 0;
    for (const struct schema *schema = schemas; schema->name; schema++) {
        missing += walk(schema->name, schema->fields);
        json_decref(schema_json(schema));
    }
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
