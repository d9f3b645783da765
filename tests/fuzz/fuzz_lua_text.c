/* fuzz_lua_text: any text has tokens that lie in it and in order; names and conditions are found without a crash, and
 * wrapping conditions keeps what compiles compiling. */
#include "core/lua_branches.h"
#include "core/lua_lex.h"
#include "jobs/lua_globals.h"
#include "jobs/lua_scan.h"
#include "lua/lua_run.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_name(void *arg, const char *name, int line, int column, bool assigned)
{
    (void)arg, (void)assigned;
    g_assert(*name && line > 0 && column > 0);
}

static void on_mention(void *arg, enum lua_mention mention, const char *name, int line, int column)
{
    (void)arg;
    g_assert(name && mention != LUA_NOTHING && line > 0 && column > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GArray) tokens = lua_lex(text, 1);
    const char *at = text;
    for (guint i = 0; i < tokens->len; i++) {
        const struct lua_token *token = lua_lex_at(tokens, i);
        g_assert(token->length > 0 && token->start >= at);
        at = token->start + token->length;
        g_assert(at <= text + strlen(text));
        g_autofree char *string = lua_token_string(token);
    }
    lua_globals(tokens, on_name, NULL);
    lua_scan(tokens, on_mention, NULL);
    g_autofree char *wrapped = lua_branches_wrap(text, "f");
    g_autofree char *before = lua_check_syntax(text, "x", 1, false, NULL);
    g_autofree char *after = lua_check_syntax(wrapped, "x", 1, false, NULL);
    g_assert(before || !after);
    return 0;
}
