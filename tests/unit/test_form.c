/* form: bodies of HTML forms; summary: the first paragraph of a runbook. */
#include "support.h"

#include "core/errors.h"
#include "jobs/summary.h"
#include "web/form.h"
#include <string.h>

static void test_forms(void **state)
{
    (void)state;
    static const struct {
        const char *body, *wanted, *why;
    } rows[] = {
        {"", "{}", "nothing"},
        {"a=1&b=x+y%21", "{\"a\":\"1\",\"b\":\"x y!\"}", "spaces and escapes"},
        {"p.a=%E6%B6%88&b=", "{\"b\":\"\",\"p.a\":\"消\"}", "UTF-8; an empty value"},
        {"a&b=c=d", "{\"a\":\"\",\"b\":\"c=d\"}", "no sign, and two"},
        {"&&a=1&", "{\"a\":\"1\"}", "empty fields"},
        {"a=1&a=2", "the form's field 'a' stands twice", "twice"},
        {"a=%00", "a field of the form is no text", "NUL"},
        {"a=%ff", "a field of the form is no text", "not UTF-8"},
        {"a=%zz", "a field of the form is no text", "a bad escape"},
        {"a=%", "a field of the form is no text", "half an escape"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) form = form_parse(rows[i].body, strlen(rows[i].body), &error);
        g_autofree char *got = form ? json_text(form) : g_strdup(error->message);
        if (strcmp(got, rows[i].wanted) != 0)
            row_failed(rows[i].why, "got: %s", got);
    }
    g_autoptr(GError) error = NULL;
    assert_null(form_parse("a=x\0y", 5, &error));
}

static void test_summaries(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted, *why;
    } rows[] = {
        {"# T\n\nOne line\nand another.\n\nMore.\n", "One line and another.", "the first paragraph"},
        {"# T\n```sh\nrm -rf /\n```\nProse.\n", "Prose.", "below a block"},
        {"Prose\n```sh\nx\n```\n", "Prose", "above a block"},
        {"# T\n* a\n- b\n1. c\n> d\n| e |\n<!-- f -->\nG `h` **i** [j](k) \\*l\\*.\n", "G h i j *l*.",
         "lists, quotes, tables, HTML and marks"},
        {"# T\n", NULL, "no prose"},
        {"", NULL, "nothing"},
        {"a [b](c", "a b", "a link without an end"},
        {"~~~\nx\n", NULL, "a block without an end"},
        {"Ends in \\", "Ends in \\", "a backslash at the end"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = summary_of(rows[i].text, strlen(rows[i].text));
        if (g_strcmp0(got, rows[i].wanted) != 0)
            row_failed(rows[i].why, "got: %s", got ? got : "(nothing)");
    }
    g_autofree char *many = g_strnfill(2000, 'x'), *cut = summary_of(many, 2000);
    assert_int_equal(g_utf8_strlen(cut, -1), SUMMARY_CHARACTERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_summaries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
