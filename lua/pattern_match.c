/* pattern_match: the matcher.
 *
 * The language has no alternation, so every item is passed on the way to a match: captures are plain assignments, made
 * again when the matcher comes by again, and only repetitions need to remember where to go back to. */
#include "lua/pattern.h"

#include "core/limits.h"
#include "lua/interrupt.h"
#include "lua/pattern_items.h"
#include "lua/script.h"

#include <lauxlib.h>
#include <string.h>

#define MAX_DEPTH       200  /* repetitions that wait for what follows them */
#define STEPS_PER_CHECK 8192 /* comparisons between two looks for an interrupt */

struct matcher {
    lua_State *L;
    const struct pattern *pattern;
    const byte *start, *end; /* of the subject */
    struct pattern_match *match;
    int depth;
    long steps; /* of this match, in all */
    long unchecked;
};

static void spend(struct matcher *m, long steps)
{
    m->unchecked += steps;
    if (m->unchecked < STEPS_PER_CHECK)
        return;
    m->steps += m->unchecked;
    m->unchecked = 0;
    if (interrupt_pending(&script_of(m->L)->interrupt))
        interrupt_now(m->L);
    if (m->steps > LIMIT_LUA_PATTERN_STEPS)
        luaL_error(m->L, "the pattern takes too long on this text: repetitions that overlap, such as '.-.-', try every "
                         "way to share it");
}

static bool set_has(const struct set *set, byte c)
{
    return set->bits[c >> 6] >> (c & 63) & 1;
}

static bool matches_one(const struct matcher *m, const struct item *item, const byte *at)
{
    if (at >= m->end)
        return false;
    switch (item->kind) {
    case ITEM_LITERAL:
        return *at == item->a;
    case ITEM_SET:
        return set_has(&m->pattern->sets[item->set], *at);
    default:
        return true; /* ITEM_ANY */
    }
}

static const byte *balance(struct matcher *m, const struct item *item, const byte *at)
{
    if (at >= m->end || *at != item->a)
        return NULL;
    long depth = 1;
    for (const byte *next = at + 1; next < m->end; next++) {
        spend(m, 1);
        if (*next == item->b) {
            if (--depth == 0)
                return next + 1;
        } else if (*next == item->a) {
            depth++;
        }
    }
    return NULL;
}

static const byte *back_reference(struct matcher *m, const struct item *item, const byte *at)
{
    const char *start = m->match->captures[item->a].start;
    size_t length = (size_t)(m->match->captures[item->a].end - start);
    spend(m, (long)length);
    if ((size_t)(m->end - at) < length || memcmp(at, start, length) != 0)
        return NULL;
    return at + length;
}

static bool at_frontier(const struct matcher *m, const struct item *item, const byte *at)
{
    const struct set *set = &m->pattern->sets[item->set];
    byte before = at > m->start ? at[-1] : '\0';
    byte here = at < m->end ? *at : '\0';
    return !set_has(set, before) && set_has(set, here);
}

static const byte *run(struct matcher *m, const struct item *item, const byte *at);

/* As many as there are, then fewer and fewer. */
static const byte *run_greedy(struct matcher *m, const struct item *item, const byte *at)
{
    ptrdiff_t least = item->repeat == SOME ? 1 : 0;
    ptrdiff_t most = item->repeat == OPTIONAL ? 1 : m->end - at;
    ptrdiff_t count = 0;
    while (count < most && matches_one(m, item, at + count)) {
        spend(m, 1);
        count++;
    }
    for (; count >= least; count--) {
        const byte *end = run(m, item + 1, at + count);
        if (end)
            return end;
    }
    return NULL;
}

static const byte *run_lazy(struct matcher *m, const struct item *item, const byte *at)
{
    for (;;) {
        const byte *end = run(m, item + 1, at);
        if (end || !matches_one(m, item, at))
            return end;
        at++;
    }
}

static const byte *run_repeat(struct matcher *m, const struct item *item, const byte *at)
{
    if (++m->depth > MAX_DEPTH)
        luaL_error(m->L, "pattern too complex");
    const byte *end = item->repeat == LAZY ? run_lazy(m, item, at) : run_greedy(m, item, at);
    m->depth--;
    return end;
}

/* One item that is no repetition: where it ends, or NULL. */
static const byte *run_single(struct matcher *m, const struct item *item, const byte *at)
{
    struct pattern_match *match = m->match;
    switch (item->kind) {
    case ITEM_OPEN:
        match->captures[item->a].start = (const char *)at;
        return at;
    case ITEM_CLOSE:
        match->captures[item->a].end = (const char *)at;
        return at;
    case ITEM_POSITION:
        match->captures[item->a].start = (const char *)at;
        match->captures[item->a].end = NULL;
        return at;
    case ITEM_BACK:
        return back_reference(m, item, at);
    case ITEM_BALANCE:
        return balance(m, item, at);
    case ITEM_FRONTIER:
        return at_frontier(m, item, at) ? at : NULL;
    case ITEM_TAIL:
        return at == m->end ? at : NULL;
    default:
        return matches_one(m, item, at) ? at + 1 : NULL;
    }
}

static const byte *run(struct matcher *m, const struct item *item, const byte *at)
{
    for (; item->kind != ITEM_END; item++) {
        spend(m, 1);
        if (item->repeat != ONCE)
            return run_repeat(m, item, at);
        at = run_single(m, item, at);
        if (!at)
            return NULL;
    }
    return at;
}

/* The next place where the first item can match at all. */
static const byte *skip(const struct matcher *m, const byte *at)
{
    const struct item *first = m->pattern->items;
    if (m->pattern->anchored || first->kind != ITEM_LITERAL || first->repeat != ONCE)
        return at;
    return memchr(at, first->a, (size_t)(m->end - at));
}

bool pattern_find(lua_State *L, const struct pattern *pattern, const char *subject, size_t length, size_t from,
                  const char *not_end, struct pattern_match *ret_match)
{
    struct matcher m = {.L = L,
                        .pattern = pattern,
                        .start = (const byte *)subject,
                        .end = (const byte *)subject + length,
                        .match = ret_match};
    ret_match->subject = subject;
    ret_match->count = pattern->captures;
    for (const byte *at = m.start + from; at && at <= m.end && (at = skip(&m, at)); at++) {
        const byte *end = run(&m, pattern->items, at);
        if (end && (const char *)end != not_end) {
            ret_match->start = (const char *)at;
            ret_match->end = (const char *)end;
            return true;
        }
        if (pattern->anchored)
            break;
    }
    return false;
}

void pattern_push_capture(lua_State *L, const struct pattern_match *match, int index)
{
    if (match->count == 0 && index == 0)
        lua_pushlstring(L, match->start, (size_t)(match->end - match->start));
    else if (index >= match->count)
        luaL_error(L, "invalid capture index %%%d", index + 1);
    else if (match->captures[index].end)
        lua_pushlstring(L, match->captures[index].start,
                        (size_t)(match->captures[index].end - match->captures[index].start));
    else
        lua_pushinteger(L, match->captures[index].start - match->subject + 1);
}

int pattern_push_captures(lua_State *L, const struct pattern_match *match, bool whole)
{
    int count = match->count == 0 && whole ? 1 : match->count;
    luaL_checkstack(L, count, "too many captures");
    for (int i = 0; i < count; i++)
        pattern_push_capture(L, match, i);
    return count;
}

bool pattern_anchored(const struct pattern *pattern)
{
    return pattern->anchored;
}
