/* bind_text: bytes and words: base64, sha256, shellquote. */
#include "core/crypto.h"
#include "lua/bind.h"
#include "lua/raise.h"

#include <lauxlib.h>
#include <string.h>

/* base64.encode(bytes) → text
 * Standard base64 with padding, on one line.
 * @param bytes string
 * @return string text
 * @example
 *     log(base64.encode("hikeshi")) */
static int base64_encode(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    luaL_Buffer buffer;
    char *out = luaL_buffinitsize(L, &buffer, (length / 3 + 1) * 4 + 5);
    int state = 0, save = 0;
    gsize size = g_base64_encode_step((const guchar *)bytes, length, FALSE, out, &state, &save);
    size += g_base64_encode_close(FALSE, out + size, &state, &save);
    luaL_pushresultsize(&buffer, size);
    return 1;
}

/* base64.decode(text) → bytes
 * The standard and the URL-safe alphabet; white space is ignored.
 * @param text string
 * @return string bytes
 * @raise misuse
 * @example
 *     log(base64.decode("aGlrZXNoaQ==")) */
static int base64_decode(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    luaL_Buffer buffer;
    char *plain = luaL_buffinitsize(L, &buffer, length + 4);
    size_t count = 0, padding = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
        if (g_ascii_isspace(c))
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        if (padding > 0 || !(g_ascii_isalnum(c) || c == '+' || c == '/'))
            return raise_misuse(L, "base64.decode: byte %d of the text is not base64", (int)(i + 1));
        plain[count++] = c;
    }
    if (count % 4 == 1 || padding > 2)
        return raise_misuse(L, "base64.decode: the text ends in the middle");
    while (count % 4 != 0)
        plain[count++] = '=';
    int state = 0;
    guint save = 0;
    /* Each step writes less than it has read, so the text may be overwritten by its bytes. */
    gsize size = g_base64_decode_step(plain, count, (guchar *)plain, &state, &save);
    luaL_pushresultsize(&buffer, size);
    return 1;
}

static const struct binding base64_bindings[] = {{"encode", base64_encode}, {"decode", base64_decode}, {NULL, NULL}};
const struct bind_table bind_base64 = {BIND_TABLE, "base64", base64_bindings};

/* sha256(bytes) → text
 * The hash in lower-case hexadecimal.
 * @param bytes string
 * @return string text
 * @example
 *     log(sha256("hikeshi")) */
static int sha256(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    uint8_t hash[32];
    char hex[65];
    crypto_sha256(bytes, length, hash);
    for (size_t i = 0; i < sizeof hash; i++)
        g_snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    lua_pushlstring(L, hex, 64);
    return 1;
}

static void add_quoted(lua_State *L, luaL_Buffer *buffer, int index)
{
    size_t length;
    const char *word = lua_tolstring(L, index, &length);
    if (strlen(word) != length)
        raise_misuse(L, "shellquote: a word with a NUL byte cannot reach a command");
    luaL_addchar(buffer, '\'');
    for (size_t i = 0; i < length; i++) {
        if (word[i] == '\'')
            luaL_addstring(buffer, "'\\''");
        else
            luaL_addchar(buffer, word[i]);
    }
    luaL_addchar(buffer, '\'');
}

/* shellquote(word | list) → text
 * Quoted for a POSIX shell. `h:run` needs no quoting, and `h:script` has `env`; this is for texts that something else
 * will run.
 * @param words string|number|(string|number)[]
 * @return string text
 * @raise misuse
 * @example
 *     log("to see it yourself:", shellquote{"grep", "a b", "/var/log/app.log"}) */
static int shellquote(lua_State *L)
{
    bool list = lua_type(L, 1) == LUA_TTABLE;
    lua_Integer count = list ? (lua_Integer)lua_rawlen(L, 1) : 1;
    lua_settop(L, 1);
    lua_pushnil(L); /* 2: the word at hand, below the buffer's own place on the stack */
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (lua_Integer i = 1; i <= count; i++) {
        if (list)
            lua_rawgeti(L, 1, i);
        else
            lua_pushvalue(L, 1);
        if (!lua_isstring(L, -1))
            raise_misuse(L, "shellquote needs text or numbers, not %s", luaL_typename(L, -1));
        lua_replace(L, 2);
        if (i > 1)
            luaL_addchar(&buffer, ' ');
        add_quoted(L, &buffer, 2);
    }
    luaL_pushresult(&buffer);
    return 1;
}

static const struct binding bindings[] = {{"sha256", sha256}, {"shellquote", shellquote}, {NULL, NULL}};
const struct bind_table bind_text = {BIND_GLOBALS, "", bindings};
