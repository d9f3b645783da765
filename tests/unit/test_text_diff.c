/* text_diff: line by line. */
#include "core/text_diff.h"
#include "tests/unit/support.h"
#include <glib.h>
#include <string.h>

static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *why, *before, *after, *diff;
    } rows[] = {
        {"nothing", "", "", ""},
        {"the same", "a\nb\n", "a\nb\n", "  a\n  b\n"},
        {"one changed", "a\nb\nc\n", "a\nB\nc\n", "  a\n- b\n+ B\n  c\n"},
        {"one gone", "a\nb\nc", "a\nc", "  a\n- b\n  c\n"},
        {"one more", "a\nc\n", "a\nb\nc\n", "  a\n+ b\n  c\n"},
        {"all new", "", "a\n", "+ a\n"},
        {"moved", "a\nb\nc\n", "c\na\nb\n", "+ c\n  a\n  b\n- c\n"},
        {"blank lines count", "a\n\nb\n", "a\nb\n", "  a\n- \n  b\n"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *diff = text_diff(rows[i].before, rows[i].after);
        if (strcmp(diff, rows[i].diff) != 0)
            row_failed(rows[i].why, "got\n%s", diff);
    }
}

/* Too large for the table: still every line, and no memory to speak of. */
static void test_large(void **state)
{
    (void)state;
    g_autoptr(GString) before = g_string_new(NULL), after = g_string_new(NULL);
    for (int i = 0; i < 5000; i++) {
        g_string_append_printf(before, "a%d\n", i);
        g_string_append_printf(after, "b%d\n", i);
    }
    g_autofree char *diff = text_diff(before->str, after->str);
    assert_true(g_str_has_prefix(diff, "- a0\n"));
    assert_true(g_str_has_suffix(diff, "+ b4999\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_large)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
