/* Each key of each YAML format says what it is for and what its value looks like: schemas are made of that. That the
 * schemas take what the readers take: tests/box/test_schemas.py. */
#include "tests/unit/support.h"

#include "jobs/fields.h"
#include "jobs/runbook.h"
#include "jobs/schema.h"
#include <string.h>

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

static int undocumented(const char *page, const struct field *fields)
{
    int missing = 0;
    for (const struct field *field = fields; field->key; field++) {
        g_autofree char *code = g_strdup_printf("`%s`", field->key), *word = g_strdup_printf("`%s:", field->key);
        if (!strstr(page, code) && !strstr(page, word))
            missing++, print_error("docs/runbooks.md does not name %s\n", code);
    }
    return missing;
}

static void test_docs_name_every_key(void **state)
{
    (void)state;
    g_autofree char *page = NULL;
    assert_true(g_file_get_contents("docs/runbooks.md", &page, NULL, NULL));
    int missing = undocumented(page, runbook_front_fields) + undocumented(page, runbook_param_fields) +
                  undocumented(page, runbook_limit_fields) + undocumented(page, runbook_step_fields);
    for (int kind = TRIGGER_INCIDENT; kind <= TRIGGER_MANUAL; kind++)
        missing += undocumented(page, runbook_trigger_fields[kind]);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys), cmocka_unit_test(test_docs_name_every_key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
