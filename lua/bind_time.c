/* bind_time: wall time. A time is a number of seconds since 1970-01-01T00:00:00Z, with milliseconds behind the point.
 */
#include "core/clock.h"
#include "lua/bind.h"
#include "lua/options.h"
#include "lua/raise.h"

#include <lauxlib.h>

/* @alias Duration number|string seconds, or text such as "30s" or "1h30m" */

/* time.now() → seconds
 * Seconds since 1970, with milliseconds behind the point.
 * @return number seconds
 * @example
 *     local started = time.now() */
static int now(lua_State *L)
{
    lua_pushnumber(L, (double)clock_now_ms() / 1000);
    return 1;
}

/* time.format([seconds]) → text
 * RFC 3339 in UTC: `2026-11-21T22:42:23.000Z`; of now without an argument.
 * @param seconds? number
 * @return string text
 * @raise misuse
 * @example
 *     log("as of", time.format()) */
static int format(lua_State *L)
{
    double seconds = lua_isnoneornil(L, 1) ? (double)clock_now_ms() / 1000 : luaL_checknumber(L, 1);
    if (!(seconds >= -62135596800.0 && seconds <= 253402300799.0))
        return raise_misuse(L, "time.format: the time is not within the years 1 to 9999");
    char *text = clock_format((int64_t)(seconds * 1000 + (seconds < 0 ? -0.5 : 0.5)));
    char copy[64];
    g_strlcpy(copy, text, sizeof copy);
    g_free(text);
    lua_pushstring(L, copy);
    return 1;
}

/* time.parse(text) → seconds
 * RFC 3339 with any offset.
 * @param text string
 * @return number seconds
 * @raise misuse
 * @example
 *     local age = time.now() - time.parse("2026-11-21T22:42:23+09:00") */
static int parse(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    int64_t ms;
    if (!clock_parse(text, &ms, NULL))
        return raise_misuse(L, "time.parse: '%.60s' is not a time like \"2026-11-21T22:42:23Z\"", text);
    lua_pushnumber(L, (double)ms / 1000);
    return 1;
}

/* time.duration(text) → seconds
 * `"1h30m"` as a number.
 * @param text Duration
 * @return number seconds
 * @raise misuse
 * @example
 *     local most = time.duration("1h30m") */
static int duration(lua_State *L)
{
    lua_pushnumber(L, (double)options_duration_ms(L, 1, "the argument of time.duration") / 1000);
    return 1;
}

static const struct binding bindings[] = {
    {"now", now}, {"format", format}, {"parse", parse}, {"duration", duration}, {NULL, NULL}};
const struct bind_table bind_time = {BIND_TABLE, "time", bindings};
