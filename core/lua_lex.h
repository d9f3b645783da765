/* lua_lex: Lua source as tokens, without a Lua: for lint, and for noting which way conditions go. Any text has tokens;
 * what does not compile is somebody else's to say. */
#ifndef CORE_LUA_LEX_H
#define CORE_LUA_LEX_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum lua_token_kind {
    LUA_TOKEN_END, /* what lua_lex_at() gives outside of the list */
    LUA_TOKEN_NAME,
    LUA_TOKEN_KEYWORD,
    LUA_TOKEN_NUMBER,
    LUA_TOKEN_STRING,
    LUA_TOKEN_SYMBOL, /* one or more characters: "==", "...", "{" */
};

struct lua_token {
    enum lua_token_kind kind;
    const char *start; /* in the text, quotes included */
    size_t length;
    int line, column; /* from 1; line as counted from the text's first */
};

/* GArray of struct lua_token; borrows the text. */
GArray *lua_lex(const char *text, int line);
/* Outside of the list: a token of LUA_TOKEN_END. */
extern const struct lua_token lua_token_none;
static inline const struct lua_token *lua_lex_at(const GArray *tokens, guint index)
{
    return index < tokens->len ? &g_array_index(tokens, struct lua_token, index) : &lua_token_none;
}
/* A name, keyword or symbol. Here, because lint asks it a hundred times a token: the text is nearly always a literal.
 */
static inline bool lua_token_is(const struct lua_token *token, const char *text)
{
    return *token->start == *text && token->kind != LUA_TOKEN_STRING && token->kind != LUA_TOKEN_END &&
           strlen(text) == token->length && memcmp(token->start, text, token->length) == 0;
}
/* The content of a string without escapes, g_free; NULL for others. */
char *lua_token_string(const struct lua_token *token);

#endif
