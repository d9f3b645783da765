/* lua_branches: see the header. */
#include "core/lua_branches.h"
#include "core/lua_lex.h"
#include <string.h>

/* A condition: the tokens from `first` to `last`. */
struct condition {
    const struct lua_token *keyword, *first, *last;
};

/* Blocks inside of a condition's functions end before the condition does. */
static int depth_change(const struct lua_token *token)
{
    static const struct {
        const char *word;
        int change;
    } words[] = {{"function", 1}, {"if", 1}, {"do", 1}, {"repeat", 1}, {"end", -1}, {"until", -1}};
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (lua_token_is(token, words[i].word))
            return words[i].change;
    return 0;
}

/* The condition behind the keyword at `index`; false when the text ends before it does. */
static bool find_condition(const GArray *tokens, guint index, struct condition *ret)
{
    const char *end = lua_token_is(lua_lex_at(tokens, index), "while") ? "do" : "then";
    int depth = 0;
    for (guint i = index + 1; i < tokens->len; i++) {
        const struct lua_token *token = lua_lex_at(tokens, i);
        if (depth == 0 && lua_token_is(token, end)) {
            *ret =
                (struct condition){lua_lex_at(tokens, index), lua_lex_at(tokens, index + 1), lua_lex_at(tokens, i - 1)};
            return i > index + 1;
        }
        depth += depth_change(token);
    }
    return false;
}

static GArray *find_conditions(const GArray *tokens)
{
    GArray *conditions = g_array_new(FALSE, FALSE, sizeof(struct condition));
    for (guint i = 0; i < tokens->len; i++) {
        const struct lua_token *token = lua_lex_at(tokens, i);
        struct condition condition;
        if ((lua_token_is(token, "if") || lua_token_is(token, "elseif") || lua_token_is(token, "while")) &&
            find_condition(tokens, i, &condition))
            g_array_append_val(conditions, condition);
    }
    return conditions;
}

/* ---- wrapping ---- */

struct insertion {
    const char *at;
    int order; /* at one place: ends before starts, inner ends first */
    char *text;
};

static int by_place(gconstpointer left, gconstpointer right)
{
    const struct insertion *a = left, *b = right;
    return a->at != b->at ? (a->at < b->at ? -1 : 1) : a->order - b->order;
}

static void free_insertion(void *insertion)
{
    g_free(((struct insertion *)insertion)->text);
}

char *lua_branches_wrap(const char *text, const char *function)
{
    g_autoptr(GArray) tokens = lua_lex(text, 1), conditions = find_conditions(tokens);
    g_autoptr(GArray) insertions = g_array_new(FALSE, FALSE, sizeof(struct insertion));
    g_array_set_clear_func(insertions, free_insertion);
    for (guint i = 0; i < conditions->len; i++) {
        const struct condition *condition = &g_array_index(conditions, struct condition, i);
        struct insertion start = {condition->first->start, 1, g_strdup_printf("%s(%u,(", function, i)};
        struct insertion end = {condition->last->start + condition->last->length, 0, g_strdup("))")};
        g_array_append_val(insertions, start);
        g_array_append_val(insertions, end);
    }
    g_array_sort(insertions, by_place);
    GString *wrapped = g_string_new(NULL);
    const char *done = text;
    for (guint i = 0; i < insertions->len; i++) {
        const struct insertion *insertion = &g_array_index(insertions, struct insertion, i);
        g_string_append_len(wrapped, done, insertion->at - done);
        g_string_append(wrapped, insertion->text);
        done = insertion->at;
    }
    g_string_append(wrapped, done);
    return g_string_free(wrapped, FALSE);
}

json_t *lua_branches_list(const char *text, int line)
{
    g_autoptr(GArray) tokens = lua_lex(text, line), conditions = find_conditions(tokens);
    json_t *list = json_array();
    for (guint i = 0; i < conditions->len; i++) {
        const struct lua_token *keyword = g_array_index(conditions, struct condition, i).keyword;
        g_autofree char *word = g_strndup(keyword->start, keyword->length);
        json_array_append_new(
            list, json_pack("{s:i, s:i, s:s}", "line", keyword->line, "column", keyword->column, "keyword", word));
    }
    return list;
}
