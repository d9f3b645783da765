/* bind_string: Lua's string functions that could keep a C call busy for ever: patterns (pattern.h) and rep. */
#include "lua/bind.h"
#include "lua/pattern.h"
#include "lua/raise.h"
#include "lua/script.h"

#include <lauxlib.h>
#include <string.h>

/* The offset that a position counted from 1, or from the end when negative, stands for. */
static size_t offset_of(lua_Integer position, size_t length)
{
    if (position > 0)
        return (size_t)position - 1;
    if (position == 0 || position < -(lua_Integer)length)
        return 0;
    return length - (size_t)(-position);
}

static bool has_specials(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '\0' && strchr("^$*+?.([%-)]", text[i]))
            return true;
    }
    return false;
}

static int find_plain(lua_State *L, const char *text, size_t length, size_t from, const char *word, size_t word_length)
{
    const char *at = memmem(text + from, length - from, word, word_length);
    if (!at) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - text + 1);
    lua_pushinteger(L, at - text + (lua_Integer)word_length);
    return 2;
}

static int find_or_match(lua_State *L, bool find)
{
    size_t length, pattern_length;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *pattern_text = luaL_checklstring(L, 2, &pattern_length);
    size_t from = offset_of(luaL_optinteger(L, 3, 1), length);
    struct pattern_match match;
    if (from > length) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || !has_specials(pattern_text, pattern_length)))
        return find_plain(L, text, length, from, pattern_text, pattern_length);
    const struct pattern *pattern = pattern_push(L, pattern_text, pattern_length, true);
    if (!pattern_find(L, pattern, text, length, from, NULL, &match)) {
        lua_pushnil(L);
        return 1;
    }
    if (!find)
        return pattern_push_captures(L, &match, true);
    lua_pushinteger(L, match.start - text + 1);
    lua_pushinteger(L, match.end - text);
    return 2 + pattern_push_captures(L, &match, false);
}

/* string.find(text, pattern [, from [, plain]]) → first, last, captures
 * Lua's patterns. A match that takes more than fifty million comparisons raises: repetitions that overlap, such as
 * `.-.-`, try every way to share the text. That holds for all four functions with patterns.
 * @param text string
 * @param pattern string
 * @param from? integer
 * @param plain? boolean
 * @return integer? first
 * @return integer? last
 * @return any ... captures
 * @example
 *     local first, last = ("db-1.example.com"):find(".", 1, true) */
static int find(lua_State *L)
{
    return find_or_match(L, true);
}

/* string.match(text, pattern [, from]) → captures
 * As in Lua, with the bound of `string.find`.
 * @param text string
 * @param pattern string
 * @param from? integer
 * @return any ... captures
 * @example
 *     local used = ("91% /"):match("^(%d+)%%") */
static int match_text(lua_State *L)
{
    return find_or_match(L, false);
}

/* Upvalues of the iterator: text, pattern, offset to go on from, offset of the last match's end or -1. */
static int next_match(lua_State *L)
{
    size_t length;
    const char *text = lua_tolstring(L, lua_upvalueindex(1), &length);
    const struct pattern *pattern = lua_touserdata(L, lua_upvalueindex(2));
    size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    struct pattern_match match;
    if (from > length || !pattern_find(L, pattern, text, length, from, last < 0 ? NULL : text + last, &match))
        return 0;
    lua_pushinteger(L, match.end - text);
    lua_copy(L, -1, lua_upvalueindex(3));
    lua_replace(L, lua_upvalueindex(4));
    return pattern_push_captures(L, &match, true);
}

/* string.gmatch(text, pattern [, from]) → iterator
 * As in Lua, with the bound of `string.find`.
 * @param text string
 * @param pattern string
 * @param from? integer
 * @return fun(): string, ... iterator
 * @example
 *     for line in ("a\nb\n"):gmatch("[^\n]+") do log(line) end */
static int gmatch(lua_State *L)
{
    size_t length, pattern_length;
    luaL_checklstring(L, 1, &length);
    const char *pattern_text = luaL_checklstring(L, 2, &pattern_length);
    size_t from = offset_of(luaL_optinteger(L, 3, 1), length);
    lua_settop(L, 2);
    pattern_push(L, pattern_text, pattern_length, false);
    lua_replace(L, 2);
    lua_pushinteger(L, (lua_Integer)(from > length ? length + 1 : from));
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* gsub's replacement text: %0 the match, %1 … captures, %% itself. */
static void add_replacement(lua_State *L, luaL_Buffer *buffer, const struct pattern_match *match)
{
    size_t length;
    const char *text = lua_tolstring(L, 3, &length);
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '%') {
            luaL_addchar(buffer, text[i]);
            continue;
        }
        char letter = ++i < length ? text[i] : '\0';
        if (letter == '%') {
            luaL_addchar(buffer, '%');
        } else if (letter == '0') {
            luaL_addlstring(buffer, match->start, (size_t)(match->end - match->start));
        } else if (letter >= '1' && letter <= '9') {
            pattern_push_capture(L, match, letter - '1');
            luaL_tolstring(L, -1, NULL); /* a position capture is a number */
            lua_remove(L, -2);
            luaL_addvalue(buffer);
        } else {
            luaL_error(L, "invalid use of '%%' in replacement string");
        }
    }
}

/* Pushes what the table or function at 3 gives for the match. */
static void push_replacement(lua_State *L, int type, const struct pattern_match *match)
{
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, pattern_push_captures(L, match, true), 1);
    } else {
        pattern_push_capture(L, match, 0);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, match->start, (size_t)(match->end - match->start));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
}

/* string.gsub(text, pattern, replacement [, most]) → text, count
 * As in Lua, with the bound of `string.find`.
 * @param text string
 * @param pattern string
 * @param replacement string|number|table|function
 * @param most? integer
 * @return string text
 * @return integer count
 * @example
 *     local trimmed = ("  a  "):gsub("^%s+", ""):gsub("%s+$", "") */
static int gsub(lua_State *L)
{
    size_t length, pattern_length;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *pattern_text = luaL_checklstring(L, 2, &pattern_length);
    int type = lua_type(L, 3);
    luaL_argexpected(L, type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
                     "string/function/table");
    lua_Integer most = luaL_optinteger(L, 4, LUA_MAXINTEGER);
    const struct pattern *pattern = pattern_push(L, pattern_text, pattern_length, true);
    struct pattern_match match;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    const char *from = text, *last_end = NULL;
    lua_Integer count = 0;
    while (count < most && pattern_find(L, pattern, text, length, (size_t)(from - text), last_end, &match)) {
        luaL_addlstring(&buffer, from, (size_t)(match.start - from));
        if (type == LUA_TSTRING || type == LUA_TNUMBER) {
            add_replacement(L, &buffer, &match);
        } else {
            push_replacement(L, type, &match);
            luaL_addvalue(&buffer);
        }
        count++;
        from = last_end = match.end;
        if (pattern_anchored(pattern))
            break;
    }
    luaL_addlstring(&buffer, from, (size_t)(text + length - from));
    luaL_pushresult(&buffer);
    lua_pushinteger(L, count);
    return 2;
}

/* string.rep(text, count [, separator]) → text
 * Raises at once when the result cannot fit into the step's memory.
 * @param text string
 * @param count integer
 * @param separator? string
 * @return string text
 * @raise memory
 * @example
 *     log(("-"):rep(40)) */
static int rep(lua_State *L)
{
    size_t length, separator_length;
    const char *text = luaL_checklstring(L, 1, &length);
    lua_Integer count = luaL_checkinteger(L, 2);
    const char *separator = luaL_optlstring(L, 3, "", &separator_length);
    size_t piece = length + separator_length;
    if (count <= 0 || piece == 0) { /* 10^18 times nothing is nothing, without counting */
        lua_pushliteral(L, "");
        return 1;
    }
    if ((size_t)count > script_of(L)->facts->memory_limit / piece + 1) {
        raise_push_memory(L);
        return lua_error(L);
    }
    luaL_Buffer buffer;
    size_t total = (size_t)count * length + (size_t)(count - 1) * separator_length;
    char *at = luaL_buffinitsize(L, &buffer, total);
    for (lua_Integer i = 0; i < count; i++) {
        memcpy(at, text, length);
        at += length;
        if (i + 1 < count && separator_length > 0) {
            memcpy(at, separator, separator_length);
            at += separator_length;
        }
    }
    luaL_pushresultsize(&buffer, total);
    return 1;
}

static const struct binding bindings[] = {
    {"find", find}, {"match", match_text}, {"gmatch", gmatch}, {"gsub", gsub}, {"rep", rep}, {NULL, NULL},
};
const struct bind_table bind_string = {BIND_REPLACE, "string", bindings};
