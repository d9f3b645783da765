/* lua_scan: the few shapes that are looked for among a step's tokens. */
#include "jobs/lua_scan.h"
#include "core/lua_lex.h"
#include <string.h>

static bool is_part(const GArray *tokens, guint index)
{
    const struct lua_token *before = lua_lex_at(tokens, index - 1);
    return index > 0 && (lua_token_is(before, ".") || lua_token_is(before, ":"));
}

/* {host = …} */
static bool is_key(const GArray *tokens, guint index)
{
    const struct lua_token *before = lua_lex_at(tokens, index - 1);
    return index > 0 && lua_token_is(lua_lex_at(tokens, index + 1), "=") &&
           (lua_token_is(before, "{") || lua_token_is(before, ","));
}

/* `local NAME`, `for NAME`: too clever to follow; such a name is not looked at. */
static bool is_local(const GArray *tokens, const char *name)
{
    for (guint i = 1; i < tokens->len; i++) {
        const struct lua_token *before = lua_lex_at(tokens, i - 1);
        if ((lua_token_is(before, "local") || lua_token_is(before, "for")) && lua_token_is(lua_lex_at(tokens, i), name))
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

/* Behind NAME.key or NAME["key"] at `index`. */
static guint behind_member(const GArray *tokens, guint index)
{
    return index + (lua_token_is(lua_lex_at(tokens, index + 1), "[") ? 4 : 3);
}

/* The key of approval.inputs.key at `index` (of approval), or NULL. g_free. */
static char *input_member(const GArray *tokens, guint index)
{
    g_autofree char *inputs = member(tokens, index);
    return g_strcmp0(inputs, "inputs") == 0 ? member(tokens, behind_member(tokens, index) - 1) : NULL;
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

/* `data.a =`, `data.a, data.b = …`. */
static bool is_set(const GArray *tokens, guint index)
{
    guint at = behind_member(tokens, index);
    while (lua_token_is(lua_lex_at(tokens, at), ",") && lua_lex_at(tokens, at + 1)->kind == LUA_TOKEN_NAME) {
        at += 2;
        while (lua_token_is(lua_lex_at(tokens, at), ".") || lua_token_is(lua_lex_at(tokens, at), "["))
            at = behind_member(tokens, at - 1);
    }
    return lua_token_is(lua_lex_at(tokens, at), "=");
}

static enum lua_mention computed_filter(const GArray *tokens, guint index)
{
    return concatenates(tokens, index) ? LUA_FILTER_CONCAT : LUA_NOTHING;
}

static enum lua_mention computed_param(const GArray *tokens G_GNUC_UNUSED, guint index G_GNUC_UNUSED)
{
    return LUA_PARAM_COMPUTED;
}

static enum lua_mention computed_data(const GArray *tokens G_GNUC_UNUSED, guint index G_GNUC_UNUSED)
{
    return LUA_DATA_COMPUTED;
}

#define NAMED(NAME) NAME, sizeof NAME - 1

/* A global of the API, what a literal name behind it is, and what else it may be. */
static const struct shape {
    const char *name;
    size_t length;
    enum lua_mention mention;
    char *(*find)(const GArray *tokens, guint index);
    enum lua_mention (*otherwise)(const GArray *tokens, guint index); /* or NULL */
} shapes[] = {
    {NAMED("params"), LUA_PARAM, member, computed_param},
    {NAMED("approval"), LUA_INPUT, input_member, NULL},
    {NAMED("steps"), LUA_STEP, member, NULL},
    {NAMED("ssh"), LUA_HOST, argument, NULL},
    {NAMED("host"), LUA_HOST, argument, NULL},
    {NAMED("hosts"), LUA_FILTER, argument, computed_filter},
    {NAMED("secret"), LUA_SECRET, argument, NULL},
    {NAMED("require"), LUA_MODULE, argument, NULL},
    {NAMED("data"), LUA_DATA, member, computed_data},
};

static void look(const GArray *tokens, guint index, const struct shape *shape, lua_scan_fn fn, void *arg)
{
    const struct lua_token *token = lua_lex_at(tokens, index);
    g_autofree char *name = shape->find(tokens, index);
    enum lua_mention mention = shape->mention;
    if (!name)
        mention = shape->otherwise ? shape->otherwise(tokens, index) : LUA_NOTHING;
    else if (mention == LUA_DATA && is_set(tokens, index))
        mention = LUA_DATA_SET;
    if (mention != LUA_NOTHING)
        fn(arg, mention, name ? name : "", token->line, token->column);
}

static const struct shape *find_shape(const struct lua_token *token)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shapes) && token->kind == LUA_TOKEN_NAME; i++)
        if (*token->start == *shapes[i].name && token->length == shapes[i].length &&
            memcmp(token->start, shapes[i].name, token->length) == 0)
            return &shapes[i];
    return NULL;
}

void lua_scan(const GArray *tokens, lua_scan_fn fn, void *arg)
{
    for (guint i = 0; i < tokens->len; i++) {
        const struct shape *shape = find_shape(lua_lex_at(tokens, i));
        if (shape && !is_part(tokens, i) && !is_key(tokens, i) && !is_local(tokens, shape->name))
            look(tokens, i, shape, fn, arg);
    }
}
