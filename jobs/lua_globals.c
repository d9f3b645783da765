/* lua_globals: one stack holds what is open: blocks, functions, brackets, and the headers of `for`, whose names begin
 * with its `do`. */
#include "jobs/lua_globals.h"
#include "core/lua_lex.h"
#include <string.h>

enum open_kind { OPEN_BLOCK, OPEN_FUNCTION, OPEN_BRACKET, OPEN_BRACE, OPEN_FOR };

struct open {
    enum open_kind kind;
    guint names; /* how many were visible before */
    guint from;  /* OPEN_FOR: its first name, among the waiting */
};

struct use {
    const struct lua_token *token;
    bool assigned;
};

struct walk {
    const GArray *tokens;
    guint at;
    GArray *open;               /* struct open */
    GPtrArray *names, *waiting; /* of struct lua_token*: visible locals; names of open `for` headers */
    GArray *uses;               /* struct use */
};

static const struct lua_token *peek(const struct walk *walk, int offset)
{
    return lua_lex_at(walk->tokens, walk->at + (guint)offset);
}

static bool next_is(const struct walk *walk, const char *text)
{
    return lua_token_is(peek(walk, 1), text);
}

static bool same_name(const struct lua_token *a, const struct lua_token *b)
{
    return a->length == b->length && memcmp(a->start, b->start, a->length) == 0;
}

/* ---- what is open ---- */

static void push(struct walk *walk, enum open_kind kind)
{
    struct open open = {kind, walk->names->len, walk->waiting->len};
    g_array_append_val(walk->open, open);
}

static const struct open *top(const struct walk *walk)
{
    return walk->open->len ? &g_array_index(walk->open, struct open, walk->open->len - 1) : NULL;
}

static bool top_is(const struct walk *walk, enum open_kind kind)
{
    return top(walk) && top(walk)->kind == kind;
}

/* keep_names: the locals stay visible, as those of `repeat` do in its condition; longer than that is lenient. */
static void pop(struct walk *walk, bool keep_names)
{
    if (!top(walk))
        return;
    if (!keep_names)
        g_ptr_array_set_size(walk->names, (int)top(walk)->names);
    g_array_set_size(walk->open, walk->open->len - 1);
}

static void declare(struct walk *walk, const struct lua_token *name)
{
    g_ptr_array_add(walk->names, (void *)name);
}

static bool is_declared(const struct walk *walk, const struct lua_token *name)
{
    for (guint i = 0; i < walk->names->len; i++)
        if (same_name(walk->names->pdata[i], name))
            return true;
    return false;
}

static void use(struct walk *walk, const struct lua_token *name, bool assigned)
{
    struct use used = {name, assigned};
    if (!is_declared(walk, name))
        g_array_append_val(walk->uses, used);
}

/* ---- keywords ---- */

/* Names and commas from the next token on; `into` gets them. */
static void take_names(struct walk *walk, GPtrArray *into)
{
    while (peek(walk, 1)->kind == LUA_TOKEN_NAME) {
        g_ptr_array_add(into, (void *)peek(walk, 1));
        walk->at++;
        if (next_is(walk, "<")) /* an attribute: <const> */
            walk->at += 3;
        if (!next_is(walk, ","))
            break;
        walk->at++;
    }
}

static void on_local(struct walk *walk)
{
    if (!next_is(walk, "function"))
        take_names(walk, walk->names);
}

/* `function name.a:b(x)`, `local function name(x)`, `function(x)`. */
static void on_function(struct walk *walk)
{
    bool is_local = walk->at > 0 && lua_token_is(peek(walk, -1), "local"), method = false;
    if (peek(walk, 1)->kind == LUA_TOKEN_NAME) {
        const struct lua_token *name = peek(walk, 1);
        walk->at++;
        bool member = next_is(walk, ".") || next_is(walk, ":");
        if (is_local)
            declare(walk, name);
        else
            use(walk, name, !member);
        for (; next_is(walk, ".") || next_is(walk, ":"); walk->at += 2)
            method = next_is(walk, ":");
    }
    push(walk, OPEN_FUNCTION);
    static const struct lua_token self = {.kind = LUA_TOKEN_NAME, .start = "self", .length = 4};
    if (method)
        declare(walk, &self);
    if (next_is(walk, "(")) {
        walk->at++;
        take_names(walk, walk->names);
    }
}

static void on_for(struct walk *walk)
{
    push(walk, OPEN_FOR);
    take_names(walk, walk->waiting);
}

static void on_do(struct walk *walk)
{
    guint from = top_is(walk, OPEN_FOR) ? top(walk)->from : walk->waiting->len;
    if (top_is(walk, OPEN_FOR))
        pop(walk, false);
    push(walk, OPEN_BLOCK);
    for (guint i = from; i < walk->waiting->len; i++)
        declare(walk, walk->waiting->pdata[i]);
    g_ptr_array_set_size(walk->waiting, (int)from);
}

static void on_open(struct walk *walk)
{
    push(walk, OPEN_BLOCK);
}

static void on_close(struct walk *walk)
{
    pop(walk, false);
}

static void on_until(struct walk *walk)
{
    pop(walk, true);
}

static void on_else(struct walk *walk)
{
    pop(walk, false);
    push(walk, OPEN_BLOCK);
}

static void on_goto(struct walk *walk)
{
    walk->at++;
}

static const struct {
    const char *word;
    void (*fn)(struct walk *walk);
} keywords[] = {
    {"local", on_local}, {"function", on_function}, {"for", on_for},   {"do", on_do},
    {"then", on_open},   {"repeat", on_open},       {"end", on_close}, {"until", on_until},
    {"else", on_else},   {"elseif", on_close},      {"goto", on_goto},
};

/* ---- names and brackets ---- */

static bool is_member(const struct walk *walk)
{
    return walk->at > 0 && (lua_token_is(peek(walk, -1), ".") || lua_token_is(peek(walk, -1), ":"));
}

/* {name = …}, and not what a function inside of the table says. */
static bool is_key(const struct walk *walk)
{
    const struct lua_token *before = peek(walk, -1);
    return top_is(walk, OPEN_BRACE) && next_is(walk, "=") &&
           (lua_token_is(before, "{") || lua_token_is(before, ",") || lua_token_is(before, ";"));
}

/* `name =`, `name, other.x = …`. */
static bool is_assigned(const struct walk *walk)
{
    guint at = walk->at + 1;
    if (top(walk) && top(walk)->kind != OPEN_BLOCK && top(walk)->kind != OPEN_FUNCTION)
        return false;
    while (lua_token_is(lua_lex_at(walk->tokens, at), ",") &&
           lua_lex_at(walk->tokens, at + 1)->kind == LUA_TOKEN_NAME) {
        at += 2;
        while (lua_token_is(lua_lex_at(walk->tokens, at), "."))
            at += 2;
    }
    return lua_token_is(lua_lex_at(walk->tokens, at), "=");
}

static void on_name(struct walk *walk)
{
    if (!is_member(walk) && !is_key(walk) && !lua_token_is(peek(walk, -1), "::"))
        use(walk, peek(walk, 0), is_assigned(walk));
}

static void on_symbol(struct walk *walk, const struct lua_token *token)
{
    if (lua_token_is(token, "{"))
        push(walk, OPEN_BRACE);
    else if (lua_token_is(token, "(") || lua_token_is(token, "["))
        push(walk, OPEN_BRACKET);
    else if ((lua_token_is(token, "}") || lua_token_is(token, ")") || lua_token_is(token, "]")) &&
             (top_is(walk, OPEN_BRACE) || top_is(walk, OPEN_BRACKET)))
        pop(walk, false);
}

static void step(struct walk *walk)
{
    const struct lua_token *token = peek(walk, 0);
    if (token->kind == LUA_TOKEN_NAME)
        on_name(walk);
    else if (token->kind == LUA_TOKEN_SYMBOL)
        on_symbol(walk, token);
    for (size_t i = 0; i < G_N_ELEMENTS(keywords) && token->kind == LUA_TOKEN_KEYWORD; i++) {
        if (lua_token_is(token, keywords[i].word)) {
            keywords[i].fn(walk);
            break;
        }
    }
    walk->at++;
}

/* ---- what came of it ---- */

/* A name that the text assigns somewhere is its own global, wherever it is read. */
static void tell(const GArray *uses, lua_globals_fn fn, void *arg)
{
    g_autoptr(GHashTable) assigned = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < uses->len; i++) {
        const struct use *one = &g_array_index(uses, struct use, i);
        g_autofree char *name = g_strndup(one->token->start, one->token->length);
        if (!one->assigned || g_hash_table_contains(assigned, name))
            continue;
        fn(arg, name, one->token->line, one->token->column, true);
        g_hash_table_add(assigned, g_steal_pointer(&name));
    }
    for (guint i = 0; i < uses->len; i++) {
        const struct use *one = &g_array_index(uses, struct use, i);
        g_autofree char *name = g_strndup(one->token->start, one->token->length);
        if (!g_hash_table_contains(assigned, name))
            fn(arg, name, one->token->line, one->token->column, false);
    }
}

void lua_globals(const GArray *tokens, lua_globals_fn fn, void *arg)
{
    g_autoptr(GArray) open = g_array_new(FALSE, FALSE, sizeof(struct open)),
                      uses = g_array_new(FALSE, FALSE, sizeof(struct use));
    g_autoptr(GPtrArray) names = g_ptr_array_new(), waiting = g_ptr_array_new();
    struct walk walk = {.tokens = tokens, .open = open, .names = names, .waiting = waiting, .uses = uses};
    while (walk.at < tokens->len)
        step(&walk);
    tell(uses, fn, arg);
}
