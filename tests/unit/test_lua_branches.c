/* lua_branches, lua_lex: conditions are found and wrapped wherever they stand; lines stay; the wrapped text compiles. */
#include "core/lua_branches.h"
#include "core/lua_lex.h"
#include "lua/lua_run.h"
#include "tests/unit/support.h"
#include <string.h>

static void test_wrap(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *wrapped;
    } rows[] = {
        {"if", "if a then b() end", "if F(0,(a)) then b() end"},
        {"elseif, with a comment", "if a then\nelseif b == 1 -- then\nthen end", "if F(0,(a)) then\nelseif F(1,(b == 1)) -- then\nthen end"},
        {"while", "while not x do y() end", "while F(0,(not x)) do y() end"},
        {"in words, strings and comments", "local s = 'if a then' -- if a then\nlocal iffy = [[while x do]]", NULL},
        {"a function in a condition", "if f(function() if a then return 1 end for i = 1, 2 do end end) then end",
         "if F(0,(f(function() if F(1,(a)) then return 1 end for i = 1, 2 do end end))) then end"},
        {"for has none", "for i = 1, 2 do end", NULL},
        {"repeat has none", "repeat until x", NULL},
        {"not closed", "if a", NULL},
        {"empty", "if then end", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *wrapped = lua_branches_wrap(rows[i].text, "F");
        const char *wanted = rows[i].wrapped ? rows[i].wrapped : rows[i].text;
        if (strcmp(wrapped, wanted) != 0)
            row_failed(rows[i].why, "got %s", wrapped);
        g_autofree char *before = lua_check_syntax(rows[i].text, "x", 1, false, NULL);
        g_autofree char *after = lua_check_syntax(wrapped, "x", 1, false, NULL);
        if (!before && after)
            row_failed(rows[i].why, "%s", after);
    }
}

static void test_list(void **state)
{
    (void)state;
    g_autoptr(json_t) list = lua_branches_list("if a then\n  while b do end\nend", 31);
    g_autofree char *text = json_text(list);
    assert_string_equal(text, "[{\"column\":1,\"keyword\":\"if\",\"line\":31},{\"column\":3,\"keyword\":\"while\",\"line\":32}]");
}

static void test_lex(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text, *tokens;
    } rows[] = {
        {"names, keywords, numbers", "local x1 = 0x1F.8p-2 + 3e+4", "k:local n:x1 s:= #:0x1F.8p-2 s:+ #:3e+4 "},
        {"two characters", "a..b...c==d~=e//f::", "n:a s:.. n:b s:... n:c s:== n:d s:~= n:e s:// n:f s::: "},
        {"strings", "'a\\'b' \"c\" [[d]] [=[e]]]=]", "\":'a\\'b' \":\"c\" \":[[d]] \":[=[e]]]=] "},
        {"comments", "a --[[ x\n]] b -- c\nd --[==[ ]] ]==] e", "n:a n:b n:d n:e "},
        {"not closed", "'abc\nx", "\":'abc n:x "},
        {"a long one not closed", "[[abc\nx", "\":[[abc\nx "},
        {"a bracket", "a[b[1]]", "n:a s:[ n:b s:[ #:1 s:] s:] "},
    };
    static const char marks[] = {'?', 'n', 'k', '#', '"', 's'};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GArray) tokens = lua_lex(rows[i].text, 1);
        g_autoptr(GString) got = g_string_new(NULL);
        for (guint k = 0; k < tokens->len; k++) {
            const struct lua_token *token = lua_lex_at(tokens, k);
            g_string_append_printf(got, "%c:%.*s ", marks[token->kind], (int)token->length, token->start);
        }
        if (strcmp(got->str, rows[i].tokens) != 0)
            row_failed(rows[i].why, "got %s", got->str);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wrap), cmocka_unit_test(test_list), cmocka_unit_test(test_lex)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
