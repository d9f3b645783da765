/* hostfilter: what parses, what matches, and that params are bound as values. */
#include "tests/unit/support.h"

#include "core/hostfilter.h"
#include <string.h>

static void test_matches(void **state)
{
    (void)state;
    static const struct {
        const char *why, *filter;
        bool wanted;
    } rows[] = {
        {"equal", "role=db", true},
        {"spaces", "  role  =  db ", true},
        {"not equal", "role!=db", false},
        {"a missing label equals nothing", "zone=a", false},
        {"a missing label satisfies !=", "zone!=a", true},
        {"name is a label", "name=db-1", true},
        {"in", "env in (stage, prod)", true},
        {"not in", "!(env in (stage))", true},
        {"a label called in", "in=x", false},
        {"regex", "name ~ \"^db-[0-9]+$\"", true},
        {"regex is unanchored", "name ~ \"b-\"", true},
        {"regex on a missing label", "zone ~ \".*\"", false},
        {"and before or", "role=web | role=db & env=prod", true},
        {"parentheses", "(role=web | role=db) & env=stage", false},
        {"double not", "!!role=db", true},
        {"quoted value", "note=\"a & b\"", true},
        {"param", "role=$params.role", true},
        {"param in a list", "role in (web, $params.role)", true},
        {"a lone param is the host's name", "$params.host", true},
        {"a param's value is one value", "role=$params.evil", false},
        {"an absent param matches nothing", "role=db | name=$params.none", false},
        {"an absent param matches nothing, negated", "role!=$params.none", false},
        {"a null param matches nothing", "!(role=$params.null)", false},
        {"a list is no value", "role!=$params.list", false},
        {"numbers compare as text", "port=$params.port", true},
    };
    g_autoptr(json_t) labels =
        json_pack("{s:s, s:s, s:s, s:s}", "role", "db", "env", "prod", "note", "a & b", "port", "22");
    g_autoptr(json_t) params = json_pack("{s:s, s:s, s:s, s:n, s:[s], s:i}", "role", "db", "host", "db-1", "evil",
                                         "x | role=db", "null", "list", "db", "port", 22);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(hostfilter) filter = hostfilter_parse(rows[i].filter, &error);
        if (!filter)
            row_failed(rows[i].why, "%s", error->message);
        if (hostfilter_matches(filter, "db-1", labels, params) != rows[i].wanted)
            row_failed(rows[i].why, "'%s' should be %d", rows[i].filter, rows[i].wanted);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *message;
    } rows[] = {
        {"", "host filter: column 1: the filter ends too early"},
        {"role", "host filter: column 5: expected =, !=, in or ~ after 'role'"},
        {"role=", "host filter: column 6: expected a value after '='"},
        {"role=db env=prod", "host filter: column 9: expected '&' or '|'"},
        {"role=db &", "host filter: column 10: the filter ends too early"},
        {"(role=db", "host filter: column 9: expected ')'"},
        {"role in db", "host filter: column 9: expected '(' after 'in'"},
        {"role in (a b)", "host filter: column 12: expected ',' or ')'"},
        {"role=\"db", "host filter: column 6: the quote is not closed"},
        {"role=$param.x", "host filter: column 6: expected $params.NAME"},
        {"role=db)", "host filter: column 8: expected '&' or '|'"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(hostfilter_parse(rows[i].filter, &error));
        assert_string_equal(error->message, rows[i].message);
    }
    g_autofree char *deep = g_strnfill(100000, '!');
    g_autoptr(GError) error = NULL;
    assert_null(hostfilter_parse(deep, &error));
    g_clear_error(&error);
    g_autofree char *nested = g_strnfill(100, '(');
    assert_null(hostfilter_parse(nested, &error));
    g_clear_error(&error);
    assert_null(hostfilter_parse("name ~ \"(\"", &error));
}

/* Without the ceiling this takes longer than any test may. */
static void test_bad_regex_ends(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(hostfilter) filter = hostfilter_parse("name ~ \"^(a+)+$\"", &error);
    assert_non_null(filter);
    assert_false(
        hostfilter_matches(filter, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", NULL, NULL));
}

static void count(void *arg, const char *param)
{
    g_string_append_printf(arg, "%s ", param);
}

static void test_each_param(void **state)
{
    (void)state;
    g_autoptr(hostfilter) filter = hostfilter_parse("a=$params.x & !(b in (c, $params.y)) | $params.z", NULL);
    g_autoptr(GString) seen = g_string_new(NULL);
    hostfilter_each_param(filter, count, seen);
    assert_string_equal(seen->str, "x y z ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bad_regex_ends),
        cmocka_unit_test(test_each_param),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
