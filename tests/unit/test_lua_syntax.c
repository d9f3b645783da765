/* lua_check_syntax: compiles without running; messages carry the runbook's file and line. */
#include "lua/lua_run.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int line;
    bool expression;
    int problem_line;    /* 0 = fine */
    const char *message; /* part of it */
    const char *why;
} cases[] = {
    {"local x = 1", 10, false, 0, NULL, "plain code"},
    {"", 1, false, 0, NULL, "an empty step is a step"},
    {"return 1", 1, false, 0, NULL, "return is a statement"},
    {"local x = ", 31, false, 31, "runbooks/disk.md:31: unexpected symbol", "the runbook's own line"},
    {"local a = 1\nlocal b = 2\nlocal c c", 100, false, 102, "runbooks/disk.md:102:", "later line"},
    {"if x then\n", 70, false, 71, "'end' expected", "more newlines than one block"},
    {"\x1bLua", 1, false, 1, "binary", "bytecode is refused at the first byte"},
    {"\x1bLuaS", 5, false, 5, "runbooks/disk.md:5:", "bytecode after the fed lines is no Lua either"},
    {"goto nowhere", 7, false, 7, "nowhere", "labels are checked"},
    {"break", 7, false, 7, "break", "break outside a loop"},
    {"data.used > 80 and params.force", 4, true, 0, NULL, "an expression"},
    {"data.used >", 4, true, 4, "runbooks/disk.md:4:", "half an expression"},
    {"x = 1", 4, true, 4, "runbooks/disk.md:4:", "a statement is no expression"},
    {"1; os.exit()", 4, true, 4, "runbooks/disk.md:4:", "nothing may follow the expression"},
    {"  \n", 4, true, 4, "empty", "an empty expression is a mistake, not false"},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int line = 0;
        char *message = lua_check_syntax(cases[i].text, "runbooks/disk.md", cases[i].line, cases[i].expression, &line);
        if ((message != NULL) != (cases[i].problem_line != 0) || line != cases[i].problem_line ||
            (message && !strstr(message, cases[i].message)))
            fail_msg("%s: got line %d, '%s'", cases[i].why, line, message ? message : "(fine)");
        g_free(message);
    }
}

static void test_long_file_name(void **state)
{
    (void)state;
    char file[300];
    memset(file, 'f', sizeof file);
    strcpy(file + 200, ".md");
    int line = 0;
    char *message = lua_check_syntax("x =", file, 3, false, &line);
    assert_true(g_str_has_prefix(message, file)); /* never shortened to "...fff.md" */
    assert_int_equal(line, 3);
    g_free(message);
}

static void test_hostile(void **state)
{
    (void)state;
    char *deep = g_strnfill(100000, '(');
    char *message = lua_check_syntax(deep, "a.md", 1, false, NULL);
    assert_non_null(message); /* nesting is bounded, no crash */
    g_free(message);
    g_free(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_long_file_name),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
