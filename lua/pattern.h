/* pattern: Lua's patterns, matched by an engine that can be stopped.
 *
 * The one in Lua's string library runs inside one C call without an end in sight: ("a"):rep(1000):find(("a-"):rep(20)
 * .. "b") would outlive the universe and no signal could stop it. This one counts its comparisons, raises past
 * LIMIT_LUA_PATTERN_STEPS for one match, and looks for an interrupt on the way. Same language: Lua 5.4 manual, 6.4.1.
 * Classes are ASCII, whatever the locale. */
#ifndef LUA_PATTERN_H
#define LUA_PATTERN_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#define PATTERN_CAPTURES 32

struct pattern;

/* Compiles into a userdata, which is pushed and owns the result. Raises for a malformed pattern. anchors: a leading ^
 * anchors; else it is an ordinary character (gmatch). */
const struct pattern *pattern_push(lua_State *L, const char *text, size_t length, bool anchors);
bool pattern_anchored(const struct pattern *pattern);

struct pattern_match {
    const char *subject;
    const char *start, *end;
    int count;
    struct {
        const char *start;
        const char *end; /* NULL: a position capture */
    } captures[PATTERN_CAPTURES];
};

/* The first match in subject at or behind offset `from` whose end is not `not_end` (NULL: any end). Raises when it
 * takes too long. */
bool pattern_find(lua_State *L, const struct pattern *pattern, const char *subject, size_t length, size_t from,
                  const char *not_end, struct pattern_match *ret_match);

/* Pushes capture `index` from 0; with no captures at all, index 0 is the whole match. */
void pattern_push_capture(lua_State *L, const struct pattern_match *match, int index);
/* Pushes all; the whole match when there are none and `whole` is set. Returns how many. */
int pattern_push_captures(lua_State *L, const struct pattern_match *match, bool whole);

#endif
