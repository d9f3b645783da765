/* Every function that scripts can call has its place in docs/lua.md, and a comment of the same signature above its
 * code. */
#include "tests/unit/support.h"

#include "lua/bind.h"

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static char *full_name(const struct bind_table *table, const struct binding *binding)
{
    if (table->kind == BIND_GLOBALS)
        return g_strdup(binding->name);
    return g_strdup_printf("%s%s%s", table->name, table->kind == BIND_METHODS ? ":" : ".", binding->name);
}

static void test_docs(void **state)
{
    (void)state;
    char *docs = NULL;
    int missing = 0, seen = 0;
    assert_true(g_file_get_contents("docs/lua.md", &docs, NULL, NULL));
    for (size_t i = 0; bind_tables[i]; i++) {
        for (const struct binding *binding = bind_tables[i]->bindings; binding->name; binding++, seen++) {
            char *name = full_name(bind_tables[i], binding);
            char *heading = g_strdup_printf("`%s(", name);
            bool found = false;
            for (char *at = docs; (at = strstr(at, heading)) && !found; at++) {
                const char *line = at;
                while (line > docs && line[-1] != '\n')
                    line--;
                found = strncmp(line, "### ", 4) == 0;
            }
            if (!found)
                missing++, print_error("docs/lua.md has no heading for %s\n", name);
            g_free(heading);
            g_free(name);
        }
    }
    assert_true(seen > 40);
    g_free(docs);
    assert_int_equal(missing, 0);
}

/* All code of lua/: the comments there are what stubs for editors will be made of. */
static char *read_sources(void)
{
    static const char *const folders[] = {"lua", "lua/std"};
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        GDir *dir = g_dir_open(folders[i], 0, NULL);
        assert_non_null(dir);
        for (const char *name; (name = g_dir_read_name(dir));) {
            char *path = g_build_filename(folders[i], name, NULL), *content = NULL;
            if ((g_str_has_suffix(name, ".c") || g_str_has_suffix(name, ".lua")) &&
                g_file_get_contents(path, &content, NULL, NULL))
                g_string_append(text, content);
            g_free(content);
            g_free(path);
        }
        g_dir_close(dir);
    }
    return g_string_free(text, FALSE);
}

static void test_comments(void **state)
{
    (void)state;
    char *sources = read_sources();
    int missing = 0;
    for (size_t i = 0; bind_tables[i]; i++) {
        for (const struct binding *binding = bind_tables[i]->bindings; binding->name; binding++) {
            char *name = full_name(bind_tables[i], binding);
            char *comment = g_strdup_printf(binding->function ? "\n/* %s(" : "-- %s(", name);
            if (!strstr(sources, comment))
                missing++, print_error("no comment starts with %s(\n", name);
            g_free(comment);
            g_free(name);
        }
    }
    g_free(sources);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_docs),
        cmocka_unit_test(test_comments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
