/* yaml_write: what it looks like, and that yaml_parse() reads the same value back. */
#include "core/json.h"
#include "core/yaml.h"
#include "core/yaml_write.h"
#include "tests/unit/support.h"
#include <string.h>

static void test_looks(void **state)
{
    (void)state;
    static const struct {
        const char *why, *json, *yaml;
    } rows[] = {
        {"words of a command", "{\"run\":[\"df\",\"-P\",\"/\",\"*.gz\",\"+3\",\"\"]}",
         "run: [df, -P, /, \"*.gz\", \"+3\", \"\"]\n"},
        {"text that looks like something else",
         "{\"a\":[\"true\",\"1\",\"no\",\"2026-01-01\",\"~\",\"a: b\",\"a #b\"]}",
         "a: [\"true\", \"1\", \"no\", \"2026-01-01\", \"~\", \"a: b\", \"a #b\"]\n"},
        {"several lines", "{\"stdout\":\"one\\n two\\n\"}", "stdout: |\n  one\n   two\n"},
        {"lines that a block would change", "{\"stdout\":\" one\\ntwo\"}", "stdout: \" one\\ntwo\"\n"},
        {"maps in a list", "[{\"run\":[\"a\"],\"stdout\":\"x\\ny\\n\"},{\"code\":1}]",
         "- run: [a]\n  stdout: |\n    x\n    y\n- {code: 1}\n"},
        {"nested maps", "{\"h\":{\"db-1\":[{\"stdout\":\"a\\nb\\n\"}]}}",
         "h:\n  db-1:\n    - stdout: |\n        a\n        b\n"},
        {"nothing", "{}", "{}\n"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(json_t) value = json_parse(rows[i].json, strlen(rows[i].json), "row", NULL);
        g_autofree char *yaml = yaml_write(value);
        if (strcmp(yaml, rows[i].yaml) != 0)
            row_failed(rows[i].why, "got\n%s", yaml);
    }
}

static void assert_reads_back(const json_t *value, const char *why)
{
    g_autofree char *yaml = yaml_write(value), *wanted = json_text(value);
    g_autoptr(GError) error = NULL;
    g_autoptr(yaml_document) document = yaml_parse(yaml, strlen(yaml), "text", 0, &error);
    if (document == NULL)
        row_failed(why, "%s in\n%s", error->message, yaml);
    g_autoptr(json_t) read = yaml_to_json(yaml_root(document));
    g_autofree char *got = json_text(read);
    if (strcmp(got, wanted) != 0)
        row_failed(why, "%s came back as %s through\n%s", wanted, got, yaml);
}

/* Values of a small generator: every character that YAML gives a meaning, in every place. */
static json_t *generated(guint32 *seed, int depth)
{
    static const char *const pieces[] = {"a",  " ",      "\n",   "#", ": ", "-", "'", "\"", "\\", "\t",
                                         "é",  "\u2028", "[",    "}", ",",  "&", "*", "!",  "|",  "0",
                                         "e5", "null",   "\x01", "%", "@",  "`", "?", "\r", "😀",  "\ufeff"};
    *seed = *seed * 1664525 + 1013904223;
    guint32 pick = *seed >> 8;
    if (depth < 3 && pick % 5 == 0) {
        json_t *list = json_array();
        for (guint32 i = 0; i < pick % 7; i++)
            json_array_append_new(list, generated(seed, depth + 1));
        return list;
    }
    if (depth < 3 && pick % 5 == 1) {
        json_t *map = json_object();
        for (guint32 i = 0; i < pick % 7; i++) {
            g_autoptr(json_t) key = generated(seed, 9);
            g_autofree char *text = json_scalar_text(key);
            json_object_set_new(map, text, generated(seed, depth + 1));
        }
        return map;
    }
    if (depth < 9 && pick % 11 == 2)
        return pick % 2 ? json_integer(pick) : json_null();
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint32 i = 0; i < pick % 6; i++) {
        *seed = *seed * 1664525 + 1013904223;
        g_string_append(text, pieces[(*seed >> 8) % G_N_ELEMENTS(pieces)]);
    }
    return json_string(text->str);
}

static void test_reads_back(void **state)
{
    (void)state;
    guint32 seed = 7;
    for (int i = 0; i < 3000; i++) {
        g_autoptr(json_t) value = generated(&seed, 0);
        if (json_is_object(value) || json_is_array(value))
            assert_reads_back(value, "generated");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_looks), cmocka_unit_test(test_reads_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
