/* lua_lex: see the header. Reference: the manual of Lua 5.4, section 3.1. */
#include "core/lua_lex.h"
#include <string.h>

static const char *const keywords[] = {"and",      "break",  "do",   "else", "elseif", "end",  "false", "for",
                                       "function", "goto",   "if",   "in",   "local",  "nil",  "not",   "or",
                                       "repeat",   "return", "then", "true", "until",  "while"};
/* Besides "...". */
static const char pairs[][3] = {"..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>"};

const struct lua_token lua_token_none = {.kind = LUA_TOKEN_END, .start = ""};

struct lexer {
    const char *at, *line_start;
    int line;
    GArray *tokens;
};

/* Moves over `length` bytes and counts their lines. */
static void advance(struct lexer *lexer, size_t length)
{
    for (const char *end = lexer->at + length; lexer->at < end; lexer->at++)
        if (*lexer->at == '\n') {
            lexer->line++;
            lexer->line_start = lexer->at + 1;
        }
}

static void take(struct lexer *lexer, enum lua_token_kind kind, size_t length)
{
    struct lua_token token = {kind, lexer->at, length, lexer->line, (int)(lexer->at - lexer->line_start) + 1};
    g_array_append_val(lexer->tokens, token);
    advance(lexer, length);
}

/* The length of a long bracket at `at`, up to the end of the text when it is not closed; 0: there is none. */
static size_t long_length(const char *at)
{
    size_t level = strspn(at + (*at == '['), "=");
    if (*at != '[' || at[1 + level] != '[')
        return 0;
    for (const char *close = at + level + 2; (close = strchr(close, ']')); close++)
        if (strspn(close + 1, "=") == level && close[1 + level] == ']')
            return (size_t)(close + level + 2 - at);
    return strlen(at);
}

static size_t quoted_length(const char *at)
{
    size_t length = 1;
    while (at[length] && at[length] != *at && at[length] != '\n')
        length += at[length] == '\\' && at[length + 1] ? 2 : 1;
    return length + (at[length] == *at);
}

static size_t comment_length(const char *at)
{
    size_t length = long_length(at + 2);
    return 2 + (length ? length : strcspn(at + 2, "\n"));
}

static size_t number_length(const char *at)
{
    size_t length = 1;
    bool hex = at[0] == '0' && (at[1] | 0x20) == 'x';
    while (g_ascii_isalnum(at[length]) || at[length] == '.' ||
           ((at[length] == '+' || at[length] == '-') && strchr(hex ? "pP" : "eE", at[length - 1])))
        length++;
    return length;
}

static size_t symbol_length(const char *at)
{
    if (at[0] == '.' && at[1] == '.' && at[2] == '.')
        return 3;
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++)
        if (at[0] == pairs[i][0] && at[1] == pairs[i][1])
            return 2;
    return 1;
}

static bool is_keyword(const char *at, size_t length)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keywords); i++)
        if (*at == *keywords[i] && strncmp(keywords[i], at, length) == 0 && keywords[i][length] == '\0')
            return true;
    return false;
}

static void take_word(struct lexer *lexer)
{
    size_t length = 1;
    while (g_ascii_isalnum(lexer->at[length]) || lexer->at[length] == '_')
        length++;
    take(lexer, is_keyword(lexer->at, length) ? LUA_TOKEN_KEYWORD : LUA_TOKEN_NAME, length);
}

static void take_one(struct lexer *lexer)
{
    const char *at = lexer->at;
    if (g_ascii_isspace(*at))
        advance(lexer, 1);
    else if (at[0] == '-' && at[1] == '-')
        advance(lexer, comment_length(at));
    else if (*at == '"' || *at == '\'')
        take(lexer, LUA_TOKEN_STRING, quoted_length(at));
    else if (long_length(at) > 0)
        take(lexer, LUA_TOKEN_STRING, long_length(at));
    else if (g_ascii_isalpha(*at) || *at == '_')
        take_word(lexer);
    else if (g_ascii_isdigit(*at) || (*at == '.' && g_ascii_isdigit(at[1])))
        take(lexer, LUA_TOKEN_NUMBER, number_length(at));
    else
        take(lexer, LUA_TOKEN_SYMBOL, symbol_length(at));
}

GArray *lua_lex(const char *text, int line)
{
    guint expected = (guint)MIN(strlen(text) / 4 + 1, G_MAXUINT16);
    struct lexer lexer = {text, text, line, g_array_sized_new(FALSE, FALSE, sizeof(struct lua_token), expected)};
    while (*lexer.at)
        take_one(&lexer);
    return lexer.tokens;
}

char *lua_token_string(const struct lua_token *token)
{
    if (token->kind != LUA_TOKEN_STRING)
        return NULL;
    if (*token->start != '[') {
        bool closed = token->length > 1 && token->start[token->length - 1] == *token->start;
        return memchr(token->start, '\\', token->length)
                   ? NULL
                   : g_strndup(token->start + 1, token->length - (closed ? 2 : 1));
    }
    size_t level = strspn(token->start + 1, "=") + 2;
    const char *start = token->start + level;
    bool closed = token->length >= 2 * level && token->start[token->length - 1] == ']';
    size_t length = token->length - level - (closed ? level : 0);
    if (length > 0 && *start == '\n') /* Lua drops it */
        start++, length--;
    return g_strndup(start, length);
}
