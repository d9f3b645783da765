/* json: hostile inputs, canonical text, paths. */
#include "core/errors.h"
#include "core/json.h"
#include "core/limits.h"
#include "tests/unit/support.h"
#include <string.h>

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *json, *message;
    } rows[] = {
        {"an object, keys sorted", "{\"b\": 1, \"a\": [true, null]}", "{\"a\":[true,null],\"b\":1}", NULL},
        {"any value", " \"x\" ", "\"x\"", NULL},
        {"NUL is kept", "\"a\\u0000b\"", "\"a\\u0000b\"", NULL},
        {"brackets in strings do not nest", "\"[[[[\\\"[[[\"", "\"[[[[\\\"[[[\"", NULL},
        {"empty", "", NULL, "body:1:1: "},
        {"cut", "{\"a\": ", NULL, "body:1:6: "},
        {"second line", "{\n  \"a\": nope}", NULL, "body:2:11: "},
        {"duplicate keys", "{\"a\": 1, \"a\": 2}", NULL, "body:1:12: duplicate object key"},
        {"trailing text", "{} x", NULL, "body:1:4: "},
        {"bad UTF-8", "\"\xff\"", NULL, "body:1:"},
        {"a lone surrogate", "\"\\ud800\"", NULL, "body:1:"},
        {"a number too large", "123456789012345678901234567890", NULL, "body:1:"},
        {"form body", "payload=%7B%7D", NULL, "body:1:7: invalid token"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) value = json_parse(rows[i].text, strlen(rows[i].text), "body", &error);
        g_autofree char *json = value != NULL ? json_text(value) : NULL;
        if (g_strcmp0(json, rows[i].json) != 0)
            row_failed(rows[i].why, "got %s, %s", json, error != NULL ? error->message : "-");
        if (rows[i].message != NULL && !g_str_has_prefix(error->message, rows[i].message))
            row_failed(rows[i].why, "%s", error->message);
    }
}

static void test_depth(void **state)
{
    (void)state;
    for (int depth = LIMIT_JSON_DEPTH; depth <= LIMIT_JSON_DEPTH + 1; depth++) {
        g_autofree char *open = g_strnfill((gsize)depth, '['), *close = g_strnfill((gsize)depth, ']');
        g_autofree char *text = g_strconcat(open, close, NULL);
        g_autoptr(json_t) value = json_parse(text, strlen(text), "body", NULL);
        assert_int_equal(value != NULL, depth == LIMIT_JSON_DEPTH);
    }
    g_autofree char *bomb = g_strnfill(1000000, '[');
    g_autoptr(GError) error = NULL;
    assert_null(json_parse(bomb, 1000000, "body", &error));
    assert_string_equal(error->message, "body: nested deeper than 64 levels");
}

static void test_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *why, *bytes;
        size_t length;
        const char *json;
    } rows[] = {
        {"plain", "abc", 3, "\"abc\""},
        {"UTF-8", "\xc3\xa9", 2, "\"\xc3\xa9\""},
        {"NUL", "a\0b", 3, "\"a\\u0000b\""},
        {"one bad byte",
         "a\xff"
         "b",
         3,
         "\"a\xef\xbf\xbd"
         "b\""},
        {"a cut character", "a\xe2\x82", 3, "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
        {"bad byte and NUL", "\xff\0\xfe", 3, "\"\xef\xbf\xbd\\u0000\xef\xbf\xbd\""},
        {"a surrogate in UTF-8", "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"overlong", "\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"nothing", "", 0, "\"\""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(json_t) value = json_text_value(rows[i].bytes, rows[i].length);
        g_autofree char *json = json_text(value);
        if (strcmp(json, rows[i].json) != 0)
            row_failed(rows[i].why, "got %s", json);
    }
}

static void test_text_is_never_null(void **state)
{
    (void)state;
    g_autofree char *null = json_text(NULL);
    assert_string_equal(null, "null");
    g_autoptr(json_t) bad = json_pack("{s:[o]}", "k", json_string_nocheck("a\xff"));
    g_autofree char *text = json_text(bad);
    assert_string_equal(text, "{\"k\":[\"a\xef\xbf\xbd\"]}");
    g_autofree char *pretty = json_text_pretty(bad);
    assert_non_null(strstr(pretty, "\n"));
}

static void test_paths(void **state)
{
    (void)state;
    const char *text = "{\"a\":{\"b\":{\"c\":\"x\"},\"n\":null,\"app.kubernetes.io/name\":\"y\"},\"a.b\":1,\"i\":3}";
    g_autoptr(json_t) value = json_parse(text, strlen(text), "t", NULL);
    assert_string_equal(json_path_string(value, "a.b.c"), "x");
    assert_string_equal(json_path_string(value, "a.app.kubernetes.io/name"), "y");
    assert_true(json_is_object(json_path(value, "a.b"))); /* the walk wins over a key with a dot */
    assert_null(json_path(value, "a.n"));
    assert_null(json_path(value, "a.x.y"));
    assert_null(json_path(value, "i.x"));
    assert_null(json_path(NULL, "a"));
    assert_null(json_path_string(value, "i"));
    assert_int_equal(json_get_integer(value, "i", 0), 3);
    assert_int_equal(json_get_integer(value, "none", 7), 7);
    assert_string_equal(json_get_string(value, "i", "fallback"), "fallback");
    assert_true(json_get_bool(value, "i", true));
}

static void test_scalars(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"\"x\"", "x"},
        {"1", "1"},
        {"1.5", "1.5"},
        {"true", "true"},
        {"null", ""},
        {"0.05", "0.05"},
        {"20.8", "20.8"},
        {"2.0", "2.0"},
        {"-1e-9", "-1e-09"},
        {"1e300", "1e+300"},
        {"0.30000000000000004", "0.30000000000000004"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(json_t) value = json_parse(rows[i][0], strlen(rows[i][0]), "t", NULL);
        g_autofree char *text = json_scalar_text(value);
        assert_string_equal(text, rows[i][1]);
    }
    g_autoptr(json_t) object = json_object();
    json_set_string(object, "a", "\xff");
    json_set_string(object, "b", NULL);
    g_autofree char *text = json_text(object);
    assert_string_equal(text, "{\"a\":\"\xef\xbf\xbd\",\"b\":null}");
}

static void test_find(void **state)
{
    (void)state;
    g_autoptr(json_t) list = json_pack("[s, {s:i}, {s:s}, {s:s, s:i}, {s:s, s:i}]", "x", "name", 1, "id", "a", "name",
                                       "a", "n", 1, "name", "a", "n", 2);
    assert_int_equal(json_get_integer(json_find(list, "name", "a"), "n", 0), 1); /* the first */
    assert_null(json_find(list, "name", "b"));
    assert_null(json_find(list, "name", NULL));
    assert_null(json_find(NULL, "name", "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_depth),
        cmocka_unit_test(test_bytes),   cmocka_unit_test(test_text_is_never_null),
        cmocka_unit_test(test_paths),   cmocka_unit_test(test_find),
        cmocka_unit_test(test_scalars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
