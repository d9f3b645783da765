/* lua_scan: the few shapes that are looked for among a step's tokens. */
#include "jobs/lua_scan.h"
#include "core/lua_lex.h"
#include <string.h>

static bool is_part(const GArray *tokens, guint index)
{
    const struct lua_token *before = lua_lex_at(tokens, index - 1);
    return index > 0 && (lua_token_is(before, ".") || lua_token_is(before, ":"));
}

/* `local NAME`, `for NAME`: too clever to follow; such a name is not looked at. */
static bool is_local(const GArray *tokens, const char *name)
{
    for (guint i = 1; i < tokens->len; i++) {
        const struct lua_token *before = lua_lex_at(tokens, i - 1);
        if (lua_token_is(lua_lex_at(tokens, i), name) && (lua_token_is(before, "local") || lua_token_is(before, "for")))
            return true;
    }
    return false;
}

/* The key of NAME.key and NAME["key"] at `index` (of NAME), or NULL. g_free. */
static char *member(const GArray *tokens, guint index)
{
    const struct lua_token *key = lua_lex_at(tokens, index + 2);
    if (lua_token_is(lua_lex_at(tokens, index + 1), ".") && key->kind == LUA_TOKEN_NAME)
        return g_strndup(key->start, key->length);
    if (lua_token_is(lua_lex_at(tokens, index + 1), "[") && lua_token_is(lua_lex_at(tokens, index + 3), "]"))
        return lua_token_string(key);
    return NULL;
}

/* The first literal argument of NAME("x") and NAME "x", or NULL. g_free. */
static char *argument(const GArray *tokens, guint index)
{
    const struct lua_token *next = lua_lex_at(tokens, index + 1), *after = lua_lex_at(tokens, index + 3);
    if (next->kind == LUA_TOKEN_STRING)
        return lua_token_string(next);
    if (lua_token_is(next, "(") && (lua_token_is(after, ")") || lua_token_is(after, ",")))
        return lua_token_string(lua_lex_at(tokens, index + 2));
    return NULL;
}

static bool is_any(const struct lua_token *token, const char *characters)
{
    return token->kind == LUA_TOKEN_SYMBOL && token->length == 1 && strchr(characters, *token->start);
}

/* A `..` directly inside the parentheses of a call. */
static bool concatenates(const GArray *tokens, guint index)
{
    if (!lua_token_is(lua_lex_at(tokens, index + 1), "("))
        return false;
    int depth = 1;
    for (guint i = index + 2; i < tokens->len && depth > 0; i++) {
        const struct lua_token *token = lua_lex_at(tokens, i);
        depth += is_any(token, "({");
        depth -= is_any(token, ")}");
        if (depth == 1 && lua_token_is(token, ".."))
            return true;
    }
    return false;
}

static const struct {
    const char *name;
    enum lua_mention mention;
    char *(*find)(const GArray *tokens, guint index);
} shapes[] = {
    {"params", LUA_PARAM, member},     {"steps", LUA_STEP, member},     {"ssh", LUA_HOST, argument},
    {"host", LUA_HOST, argument},      {"hosts", LUA_FILTER, argument}, {"secret", LUA_SECRET, argument},
    {"require", LUA_MODULE, argument},
};

static void look(const GArray *tokens, guint index, lua_scan_fn fn, void *arg)
{
    const struct lua_token *token = lua_lex_at(tokens, index);
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        if (!lua_token_is(token, shapes[i].name) || is_part(tokens, index) || is_local(tokens, shapes[i].name))
            continue;
        g_autofree char *name = shapes[i].find(tokens, index);
        if (name)
            fn(arg, shapes[i].mention, name, token->line);
        else if (shapes[i].mention == LUA_FILTER && concatenates(tokens, index))
            fn(arg, LUA_FILTER_CONCAT, "", token->line);
    }
}

void lua_scan(const char *text, int line, lua_scan_fn fn, void *arg)
{
    g_autoptr(GArray) tokens = lua_lex(text, line);
    for (guint i = 0; i < tokens->len; i++)
        if (lua_lex_at(tokens, i)->kind == LUA_TOKEN_NAME)
            look(tokens, i, fn, arg);
}
