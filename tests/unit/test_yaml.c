/* yaml: types of the core schema, places, limits, hostile texts. */
#include "core/errors.h"
#include "core/limits.h"
#include "core/yaml.h"
#include "core/yaml_lines.h"
#include "tests/unit/support.h"
#include <math.h>
#include <string.h>

static char *parse_to_json(const char *text, GError **error)
{
    g_autoptr(yaml_document) document = yaml_parse(text, strlen(text), "f.yaml", 0, error);
    if (document == NULL)
        return NULL;
    g_autoptr(json_t) json = yaml_to_json(yaml_root(document));
    return json_text(json);
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *json;
    } rows[] = {
        {"nothing", "", "null"},
        {"only a comment", "# x\n", "null"},
        {"only a start mark", "---\n", "null"},
        {"null words", "[~, null, Null, NULL, ]", "[null,null,null,null]"},
        {"an empty value", "a:\nb: 1\n", "{\"a\":null,\"b\":1}"},
        {"booleans", "[true, False, TRUE]", "[true,false,true]"},
        {"YAML 1.1 booleans are strings", "[yes, no, on, off, y, n]", "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\"]"},
        {"also when a directive asks for 1.1", "%YAML 1.1\n---\n[yes]\n", "[\"yes\"]"},
        {"integers", "[0, -1, +7, 0o17, 0x1F, 012]", "[0,-1,7,15,31,12]"},
        {"the largest integers", "[9223372036854775807, -9223372036854775808]",
         "[9223372036854775807,-9223372036854775808]"},
        {"a larger one is a float", "[9223372036854775808]", "[9.2233720368547758e18]"},
        {"floats", "[1.5, -.5, 1., 1e3, 6.02E+23]", "[1.5,-0.5,1.0,1000.0,6.02e23]"},
        {"JSON has no infinity", "[.inf, -.Inf, .nan]", "[\".inf\",\"-.Inf\",\".nan\"]"},
        {"nearly numbers", "[1.2.3, 0x, 0o8, +, ., 1e, 1_000, 12:30:45, 0b1]",
         "[\"1.2.3\",\"0x\",\"0o8\",\"+\",\".\",\"1e\",\"1_000\",\"12:30:45\",\"0b1\"]"},
        {"quotes make strings", "['1', \"true\", '', \"null\"]", "[\"1\",\"true\",\"\",\"null\"]"},
        {"dates are strings", "[2026-11-21]", "[\"2026-11-21\"]"},
        {"block scalars", "a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
        {"a block scalar is a string", "a: |-\n  12\n", "{\"a\":\"12\"}"},
        {"nothing but quotes", "''''''''''''''''''''", "\"'''''''''\""},
        {"quotes in quotes", "['it''s', 'a''''b', '''']", "[\"it's\",\"a''b\",\"'\"]"},
        {"a quoted scalar of several lines", "'a\n  b\n\n  c'", "\"a b\\nc\""},
        {"folds in quotes", "'  a  \n\n\n  b '' c\n\t\n d '", "\"  a\\n\\nb ' c\\nd \""},
        {"a quote at a fold", "'a''\n''b'", "\"a' 'b\""},
        {"only a fold", "'\n'", "\" \""},
        {"quoted key after quoted key", "{'a''''b': 'c', \"d\": 'e'''}", "{\"a''b\":\"c\",\"d\":\"e'\"}"},
        {"quotes after other characters", "é: 'ü''''ö'", "{\"é\":\"ü''ö\"}"},
        {"folded block: an indented line after an empty one", "a: >\n  x\n\n   y\n  z\n",
         "{\"a\":\"x\\n\\n y\\nz\\n\"}"},
        {"block with a given indentation", "a: |2\n    x\n  y\n", "{\"a\":\"  x\\ny\\n\"}"},
        {"the same in a list", "- a: |1-\n     x\n", "[{\"a\":\"  x\"}]"},
        {"block keeps its last lines", "a: |+\n  x\n\n\nb: 1\n", "{\"a\":\"x\\n\\n\\n\",\"b\":1}"},
        {"a header like a comment", "\"a|b\": &c |- # x > y\n  z\n", "{\"a|b\":\"z\"}"},
        {"an empty block before a comment", "a:\n- b: |\n # c\n", "{\"a\":[{\"b\":\"\"}]}"},
        {"block at the top", "--- |\nx\ny\n", "\"x\\ny\\n\""},
        {"an escaped newline after a backslash", "\"a\\\\\\\n  b\"", "\"a\\\\b\""},
        {"escaped blanks are not folded away", "\"a\\t \n b \\\n  \\ c\"", "\"a\\t b  c\""},
        {"surrogate pair", "\"\\ud83d\\ude00\"", "\"😀\""},
        {"plain scalar of several lines", "a: b  \n   c\n\n   d\n", "{\"a\":\"b c\\nd\"}"},
        {"escapes", "\"\\x41\\u00e9\\n\"", "\"A\xc3\xa9\\n\""},
        {"byte order mark",
         "\xEF\xBB\xBF"
         "a: 1\n",
         "{\"a\":1}"},
        {"CRLF", "a: 1\r\nb: |\r\n  x\r\n  y\r\n", "{\"a\":1,\"b\":\"x\\ny\\n\"}"},
        {"a lone CR is a newline", "a: 1\rb: 2\r", "{\"a\":1,\"b\":2}"},
        {"tags of the core schema", "[!!str 5, !!int 5, !!float 5, ! 5, !!map {}, !!seq []]",
         "[\"5\",5,5.0,\"5\",{},[]]"},
        {"aliases", "a: &x [1, 2]\nb: *x\n", "{\"a\":[1,2],\"b\":[1,2]}"},
        {"an anchor may be set again", "[&x 1, *x, &x 2, *x]", "[1,1,2,2]"},
        {"merge", "d: &d {a: 1, b: 2}\nm: {<<: *d, b: 3}\n", "{\"d\":{\"a\":1,\"b\":2},\"m\":{\"a\":1,\"b\":3}}"},
        {"merge before or after is the same", "d: &d {b: 2}\nm: {b: 3, <<: *d}\n", "{\"d\":{\"b\":2},\"m\":{\"b\":3}}"},
        {"merge list: the first wins", "[&a {x: 1}, &b {x: 2, y: 2}, {<<: [*a, *b]}]",
         "[{\"x\":1},{\"x\":2,\"y\":2},{\"x\":1,\"y\":2}]"},
        {"a quoted << is a key", "{'<<': 1}", "{\"<<\":1}"},
        {"keys that are no strings", "{1: a, true: b, ~: c}", "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\"}"},
        {"flow in flow", "{a: [{b: c}]}", "{\"a\":[{\"b\":\"c\"}]}"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *json = parse_to_json(rows[i].text, &error);
        if (g_strcmp0(json, rows[i].json) != 0)
            row_failed(rows[i].why, "got %s, error %s", json, error != NULL ? error->message : "-");
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *message;
    } rows[] = {
        {"duplicate key", "a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key 'a' is there twice"},
        {"duplicate after typing", "1: a\n'1': b\n", "f.yaml:2:1: the key '1' is there twice"},
        {"duplicate in flow", "{a: 1, a: 2}", "f.yaml:1:8: the key 'a' is there twice"},
        {"two merges", "{<<: {}, <<: {}}", "f.yaml:1:10: the key '<<' is there twice"},
        {"merge of a scalar", "<<: 1\n", "f.yaml:1:1: '<<' takes a map or a list of maps, found integer"},
        {"custom tag", "a: !secret x\n", "f.yaml:1:12: the tag '!secret' does not fit or is not supported"},
        {"wrong core tag", "a: !!int x\n",
         "f.yaml:1:10: the tag 'tag:yaml.org,2002:int' does not fit or is not supported"},
        {"custom tag of a map", "!x {a: 1}\n", "f.yaml:1:4: the tag '!x' does not fit or is not supported"},
        {"complex key", "? [a]\n: x\n", "f.yaml:1:3: a key must be a scalar, found list"},
        {"unknown alias", "a: *b\n", "f.yaml:1:4: the alias '*b' has no anchor"},
        {"cycle", "a: &a [*a]\n", "f.yaml:1:8: the alias '*a' contains itself"},
        {"anchors end with their document", "--- &a 1\n--- *a\n", "f.yaml:2:5: the alias '*a' has no anchor"},
        {"second document", "a: 1\n---\nb: 1\n", "f.yaml:3:1: a second document ('---') is not allowed here"},
        {"NUL escape", "a: \"\\0\"\n", "f.yaml:1:4: a NUL character is not allowed"},
        {"bad UTF-8", "a: 1\nb: \xff\n", "f.yaml:2:4: not UTF-8, or a NUL byte"},
        {"UTF-16",
         "\xff\xfe"
         "a\n",
         "f.yaml:1:1: not UTF-8, or a NUL byte"},
        {"a block that is not indented", "o:\n  k: |\n\n  z: 1\n", "f.yaml:3:1: the lines of a block must be indented"},
        {"tab", "a:\n\tb: 1\n", NULL},
        {"nested on one line", "a: b: c\n", "f.yaml:1:5: invalid nested block mapping on the same line"},
        {"unclosed list", "a: [1, 2\n", NULL},
        {"unclosed quote", "a: \"x\n", NULL},
        {"template", "a: {{ .Values.x }}\n", NULL},
        {"template line", "{{- if .x }}\na: 1\n{{- end }}\n", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *json = parse_to_json(rows[i].text, &error);
        if (json != NULL)
            row_failed(rows[i].why, "parsed as %s", json);
        if (errors_of(error) != ERROR_PARSE || !g_str_has_prefix(error->message, "f.yaml:") ||
            (rows[i].message != NULL && strcmp(error->message, rows[i].message) != 0))
            row_failed(rows[i].why, "error %s", error->message);
    }
}

static void test_places(void **state)
{
    (void)state;
    const char *text = "title: x\nhosts:\n  db-1: {address: a}\nlist:\n  - one\n  -\n";
    g_autoptr(yaml_document) document = yaml_parse(text, strlen(text), "f", 10, NULL);
    const struct yaml_node *root = yaml_root(document);
    const struct yaml_node *host = yaml_get(yaml_get(root, "hosts"), "db-1");
    assert_int_equal(root->line, 11);
    assert_int_equal(yaml_get(root, "title")->column, 8);
    assert_int_equal(host->line, 13);
    assert_int_equal(host->column, 9);
    assert_int_equal(yaml_get(host, "address")->column, 19);
    assert_int_equal(yaml_get(root, "list")->items[0]->line, 15);
    assert_int_equal(yaml_get(root, "list")->items[1]->kind, YAML_NULL);
    assert_null(yaml_get(root, "none"));
    assert_null(yaml_get(host->items[0], "x"));
    const struct yaml_node *key, *value;
    size_t seen = 0;
    yaml_foreach (root, i, key, value) {
        assert_int_equal(key->column, 1);
        seen += value != NULL;
    }
    assert_int_equal(seen, 3);

    g_autoptr(GError) error = NULL;
    assert_null(yaml_parse("a: 1\na: 2\n", 10, "f", 10, &error));
    assert_string_equal(error->message, "f:12:1: the key 'a' is there twice");
}

static bool keep(void *arg, struct yaml_document *document)
{
    g_ptr_array_add(arg, document);
    return true;
}

static GPtrArray *documents_of(const char *text, GError **error)
{
    GPtrArray *documents = g_ptr_array_new_with_free_func((GDestroyNotify)yaml_document_free);
    bool whole = yaml_each(text, strlen(text), "f", 0, keep, documents, error);
    assert_int_equal(whole, *error == NULL);
    return documents;
}

static bool keep_first(void *arg, struct yaml_document *document)
{
    *(struct yaml_document **)arg = document;
    return false;
}

static bool same_tree(const struct yaml_node *a, const struct yaml_node *b)
{
    bool same = a->kind == b->kind && a->line == b->line && a->column == b->column && a->count == b->count &&
                strcmp(a->text, b->text) == 0;
    for (size_t i = 0; same && i < a->count; i++)
        same = same_tree(a->items[i], b->items[i]) && (!a->keys || same_tree(a->keys[i], b->keys[i]));
    return same;
}

/* What is read without libfyaml is read as with it: yaml_each() never does without. */
static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text;
        bool taken;
    } rows[] = {
        {"one", "effect: read\n", true},
        {"indented", "   effect: read\n   timeout: 30s\n", true},
        {"words of the core schema", "a: true\nb: null\nc: 0x1f\nd: 1e5\ne: 12\nf: 1.5\ng: yes\nh: 0o17\n", true},
        {"a bound param", "hosts: $params.host\n", true},
        {"twice", "a: b\na: c\n", true},
        {"two depths", "a: b\n c: d\n", false},
        {"deeper first", " a: b\nc: d\n", false},
        {"no value", "a:\nb: c\n", false},
        {"no end", "a: b", false},
        {"a space behind", "a: b \n", false},
        {"two spaces", "a:  b\n", false},
        {"a comment", "a: b #c\n", false},
        {"a quote", "a: 'b'\n", false},
        {"an indicator first", "a: -b\n", false},
        {"a list", "a: [b]\n", false},
        {"a merge", "<<: b\n", false},
        {"an empty line", "a: b\n\nc: d\n", false},
        {"an empty text", "", false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL, slow_error = NULL;
        size_t length = strlen(rows[i].text);
        struct yaml_document *slow = NULL;
        g_autoptr(yaml_document) fast = yaml_parse(rows[i].text, length, "f", 4, &error);
        yaml_each(rows[i].text, length, "f", 4, keep_first, &slow, &slow_error);
        if (yaml_lines_are(rows[i].text, length) != rows[i].taken)
            row_failed(rows[i].why, "it is %staken", rows[i].taken ? "not " : "");
        if (rows[i].taken && (g_strcmp0(error ? error->message : NULL, slow_error ? slow_error->message : NULL) != 0 ||
                              (fast && !same_tree(yaml_root(fast), yaml_root(slow)))))
            row_failed(rows[i].why, "it is read otherwise: %s", error ? error->message : "another tree");
        yaml_document_free(slow);
    }
}

static void test_documents(void **state)
{
    (void)state;
    g_autoptr(GError) none = NULL, error = NULL;
    g_autoptr(GPtrArray) all = documents_of("a: 1\n---\n# none\n---\n- 2\n...\n", &none);
    assert_int_equal(all->len, 3);
    assert_int_equal(yaml_root(g_ptr_array_index(all, 1))->kind, YAML_NULL);
    assert_int_equal(yaml_root(g_ptr_array_index(all, 2))->line, 5);

    g_autoptr(GPtrArray) before = documents_of("a: 1\n---\nb: 2\n---\nc: [\n", &error);
    assert_int_equal(before->len, 2);
    assert_non_null(error);
}

/* lol1: [lol, …], lol2: [*lol1, …], … */
static char *laughs(int levels, int width, bool maps)
{
    GString *text = g_string_new("l0: &l0 [x]\n");
    for (int level = 1; level <= levels; level++) {
        g_string_append_printf(text, "l%d: &l%d %c", level, level, maps ? '{' : '[');
        for (int i = 0; i < width; i++)
            if (maps)
                g_string_append_printf(text, "k%d: *l%d, ", i, level - 1);
            else
                g_string_append_printf(text, "*l%d, ", level - 1);
        g_string_append(text, maps ? "}\n" : "]\n");
    }
    return g_string_free(text, FALSE);
}

static char *repeat(const char *open, const char *middle, const char *close, int times)
{
    GString *text = g_string_new(NULL);
    for (int i = 0; i < times; i++)
        g_string_append(text, open);
    g_string_append(text, middle);
    for (int i = 0; i < times; i++)
        g_string_append(text, close);
    return g_string_free(text, FALSE);
}

static void test_bombs(void **state)
{
    (void)state;
    struct {
        const char *why;
        char *text;
        const char *part; /* of the message */
    } rows[] = {
        {"billion laughs", laughs(30, 10, false), "more than 200000 values"},
        {"with maps", laughs(30, 10, true), "more than 200000 values"},
        {"a long chain of aliases is deep", laughs(LIMIT_YAML_DEPTH + 1, 1, false), "nested deeper than 64"},
        {"deep lists", repeat("[", "", "]", 100000), "f:1:"},
        {"deep maps", repeat("{a: ", "", "}", 100000), "f:1:"},
        {"deep lists, never closed", repeat("- ", "x", "", 100000), "f:1:"},
        {"many values", repeat("- x\n", "", "", LIMIT_YAML_NODES + 1), "more than 200000 values"},
        {"a line that the parser would keep whole", repeat("x,", "", "]", LIMIT_YAML_LINE_WEIGHT),
         "f:1:1: too many values in"},
        {"brackets over many lines", repeat("[\n", "", "", LIMIT_YAML_OPEN_BRACKETS + 1),
         "f:100001:1: too many brackets"},
        {"tag handles", repeat("%TAG !x! y\n", "", "", LIMIT_YAML_TAG_LINES + 1), "f:101:1: too many %TAG lines"},
        {"large", repeat("aaaaaaaa", "", "", LIMIT_YAML_BYTES / 8 + 1), "larger than"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(yaml_document) document = yaml_parse(rows[i].text, strlen(rows[i].text), "f", 0, &error);
        if (document != NULL || strstr(error->message, rows[i].part) == NULL)
            row_failed(rows[i].why, "%s", error != NULL ? error->message : "parsed");
        g_free(rows[i].text);
    }
}

/* What the guard must let through. */
static void test_large_but_good(void **state)
{
    (void)state;
    struct {
        const char *why;
        char *text;
    } rows[] = {
        {"brackets that are closed", repeat("- []\n", "", "", LIMIT_YAML_NODES - 1)},
        {"a text of base64 in one line", repeat("aGlrZXNoaQ+/", "", "", LIMIT_YAML_BYTES / 12)},
        {"a closing bracket below its key", g_strdup("a:\n  b: [\n    c\n  ]\n  d: {\n    e: f\n  }\n")},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(yaml_document) document = yaml_parse(rows[i].text, strlen(rows[i].text), "f", 0, &error);
        if (document == NULL)
            row_failed(rows[i].why, "%s", error->message);
        g_free(rows[i].text);
    }
}

static void test_merge_bomb(void **state)
{
    (void)state;
    GString *text = g_string_new("m0: &m0 {k: [1, 2, 3, 4, 5, 6, 7, 8]}\n");
    for (int i = 1; i < 30; i++)
        g_string_append_printf(text, "m%d: &m%d {<<: *m%d, a%d: *m%d}\n", i, i, i - 1, i, i - 1);
    g_autoptr(GError) error = NULL;
    assert_null(yaml_parse(text->str, text->len, "f", 0, &error));
    assert_int_equal(errors_of(error), ERROR_PARSE);
    g_string_free(text, TRUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),         cmocka_unit_test(test_errors),     cmocka_unit_test(test_places),
        cmocka_unit_test(test_lines),          cmocka_unit_test(test_documents),  cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_large_but_good), cmocka_unit_test(test_merge_bomb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
