/* lua_scan: a tokenizer for Lua, just good enough to skip comments and strings, and the few shapes that are looked for.
 */
#include "jobs/lua_scan.h"
#include <string.h>

enum token_kind { TOKEN_NAME, TOKEN_STRING, TOKEN_SYMBOL };

struct token {
    enum token_kind kind;
    char *text; /* a string's content when it has no escapes, else NULL */
    int line;
};

static void token_clear(void *pointer)
{
    g_free(((struct token *)pointer)->text);
}

struct scanner {
    const char *at;
    int line;
    GArray *tokens;
};

static void add(struct scanner *scanner, enum token_kind kind, char *text, int line)
{
    struct token token = {kind, text, line};
    g_array_append_val(scanner->tokens, token);
}

/* At "[[" or "[=*[": the level, else -1. */
static int long_level(const char *at)
{
    int level = 0;
    if (*at++ != '[')
        return -1;
    for (; *at == '='; at++)
        level++;
    return *at == '[' ? level : -1;
}

/* Skips a long bracket and returns its content. */
static char *take_long(struct scanner *scanner, int level)
{
    g_autofree char *equals = g_strnfill((gsize)level, '=');
    g_autofree char *end = g_strdup_printf("]%s]", equals);
    const char *start = scanner->at + level + 2, *close = strstr(start, end);
    size_t length = close ? (size_t)(close - start) : strlen(start);
    for (size_t i = 0; i < length; i++)
        scanner->line += start[i] == '\n';
    scanner->at = start + length + (close ? strlen(end) : 0);
    return g_strndup(start, length);
}

static char *take_quoted(struct scanner *scanner)
{
    char quote = *scanner->at++;
    const char *start = scanner->at;
    bool plain = true;
    while (*scanner->at && *scanner->at != quote && *scanner->at != '\n') {
        if (*scanner->at == '\\' && scanner->at[1]) {
            plain = false;
            scanner->line += scanner->at[1] == '\n';
            scanner->at++;
        }
        scanner->at++;
    }
    char *text = plain ? g_strndup(start, (gsize)(scanner->at - start)) : NULL;
    scanner->at += *scanner->at == quote;
    return text;
}

static void skip_comment(struct scanner *scanner)
{
    scanner->at += 2;
    int level = long_level(scanner->at);
    if (level >= 0)
        g_free(take_long(scanner, level));
    else
        scanner->at += strcspn(scanner->at, "\n");
}

static void scan_token(struct scanner *scanner)
{
    const char *at = scanner->at;
    int line = scanner->line;
    if (*at == '\n')
        scanner->line++;
    if (g_ascii_isspace(*at)) {
        scanner->at++;
    } else if (at[0] == '-' && at[1] == '-') {
        skip_comment(scanner);
    } else if (*at == '"' || *at == '\'') {
        add(scanner, TOKEN_STRING, take_quoted(scanner), line);
    } else if (long_level(at) >= 0) {
        add(scanner, TOKEN_STRING, take_long(scanner, long_level(at)), line);
    } else if (g_ascii_isalnum(*at) || *at == '_') {
        size_t length = 1;
        while (g_ascii_isalnum(at[length]) || at[length] == '_')
            length++;
        add(scanner, TOKEN_NAME, g_strndup(at, length), line);
        scanner->at += length;
    } else {
        size_t length = at[0] == '.' && at[1] == '.' ? 2 : 1;
        add(scanner, TOKEN_SYMBOL, g_strndup(at, length), line);
        scanner->at += length;
    }
}

static const struct token *token_at(const GArray *tokens, guint index)
{
    static const struct token none = {TOKEN_SYMBOL, (char *)"", 0};
    return index < tokens->len ? &g_array_index(tokens, struct token, index) : &none;
}

static bool is(const struct token *token, enum token_kind kind, const char *text)
{
    return token->kind == kind && g_strcmp0(token->text, text) == 0;
}

static bool is_symbol(const GArray *tokens, guint index, const char *text)
{
    return is(token_at(tokens, index), TOKEN_SYMBOL, text);
}

/* `local NAME`, `function (NAME)`: too clever to follow; such a name is not looked at. */
static bool is_local(const GArray *tokens, const char *name)
{
    for (guint i = 1; i < tokens->len; i++) {
        if (is(token_at(tokens, i), TOKEN_NAME, name) &&
            (is(token_at(tokens, i - 1), TOKEN_NAME, "local") || is(token_at(tokens, i - 1), TOKEN_NAME, "for")))
            return true;
    }
    return false;
}

/* The key of NAME.key and NAME["key"] at `index` (of NAME), or NULL. */
static const char *member(const GArray *tokens, guint index)
{
    if (is_symbol(tokens, index + 1, ".") && token_at(tokens, index + 2)->kind == TOKEN_NAME)
        return token_at(tokens, index + 2)->text;
    if (is_symbol(tokens, index + 1, "[") && token_at(tokens, index + 2)->kind == TOKEN_STRING &&
        is_symbol(tokens, index + 3, "]"))
        return token_at(tokens, index + 2)->text;
    return NULL;
}

/* The one literal argument of NAME("x") and NAME "x", or NULL. */
static const char *argument(const GArray *tokens, guint index)
{
    if (token_at(tokens, index + 1)->kind == TOKEN_STRING)
        return token_at(tokens, index + 1)->text;
    if (is_symbol(tokens, index + 1, "(") && token_at(tokens, index + 2)->kind == TOKEN_STRING &&
        (is_symbol(tokens, index + 3, ")") || is_symbol(tokens, index + 3, ",")))
        return token_at(tokens, index + 2)->text;
    return NULL;
}

/* A `..` directly inside the parentheses of a call. */
static bool concatenates(const GArray *tokens, guint index)
{
    if (!is_symbol(tokens, index + 1, "("))
        return false;
    int depth = 1;
    for (guint i = index + 2; i < tokens->len && depth > 0; i++) {
        const struct token *token = token_at(tokens, i);
        if (token->kind != TOKEN_SYMBOL)
            continue;
        depth += *token->text == '(' || *token->text == '{';
        depth -= *token->text == ')' || *token->text == '}';
        if (depth == 1 && strcmp(token->text, "..") == 0)
            return true;
    }
    return false;
}

static const struct {
    const char *name;
    enum lua_mention mention;
    const char *(*find)(const GArray *tokens, guint index);
} shapes[] = {
    {"params", LUA_PARAM, member},     {"steps", LUA_STEP, member},     {"ssh", LUA_HOST, argument},
    {"host", LUA_HOST, argument},      {"hosts", LUA_FILTER, argument}, {"secret", LUA_SECRET, argument},
    {"require", LUA_MODULE, argument},
};

static void look(const GArray *tokens, guint index, lua_scan_fn fn, void *arg)
{
    const struct token *token = token_at(tokens, index);
    bool part = index > 0 && (is_symbol(tokens, index - 1, ".") || is_symbol(tokens, index - 1, ":"));
    for (size_t i = 0; i < G_N_ELEMENTS(shapes) && token->kind == TOKEN_NAME && !part; i++) {
        if (strcmp(shapes[i].name, token->text) != 0 || is_local(tokens, token->text))
            continue;
        const char *name = shapes[i].find(tokens, index);
        if (name)
            fn(arg, shapes[i].mention, name, token->line);
        else if (shapes[i].mention == LUA_FILTER && concatenates(tokens, index))
            fn(arg, LUA_FILTER_CONCAT, "", token->line);
    }
}

void lua_scan(const char *text, int line, lua_scan_fn fn, void *arg)
{
    struct scanner scanner = {text, line, g_array_new(FALSE, FALSE, sizeof(struct token))};
    g_array_set_clear_func(scanner.tokens, token_clear);
    while (*scanner.at)
        scan_token(&scanner);
    for (guint i = 0; i < scanner.tokens->len; i++)
        look(scanner.tokens, i, fn, arg);
    g_array_unref(scanner.tokens);
}
