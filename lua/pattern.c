/* pattern: a pattern is compiled into items, one for each single-character class or special, with 256-bit sets for the
 * classes.
 *
 * The language has no alternation, so every item is passed on the way to a match: captures are plain assignments, made
 * again when the matcher comes by again, and only repetitions need to remember where to go back to. */
#include "lua/pattern.h"

#include "core/limits.h"
#include "lua/interrupt.h"
#include "lua/script.h"

#include <glib.h>
#include <lauxlib.h>
#include <string.h>

typedef unsigned char byte;

enum item_kind {
    ITEM_END,
    ITEM_LITERAL,  /* byte a */
    ITEM_ANY,      /* . */
    ITEM_SET,      /* set */
    ITEM_OPEN,     /* ( of capture a */
    ITEM_CLOSE,    /* ) of capture a */
    ITEM_POSITION, /* () of capture a */
    ITEM_BACK,     /* %1 … of capture a */
    ITEM_BALANCE,  /* %bab */
    ITEM_FRONTIER, /* %f[set] */
    ITEM_TAIL,     /* $ at the end */
};

enum repeat { ONCE, OPTIONAL, MANY, SOME, LAZY };

struct item {
    byte kind, repeat, a, b;
    guint32 set;
};

struct set {
    guint64 bits[4];
};

struct pattern {
    bool anchored;
    int captures;
    struct set *sets;
    struct item items[]; /* ends with ITEM_END; the sets follow */
};

static bool set_has(const struct set *set, byte c)
{
    return set->bits[c >> 6] >> (c & 63) & 1;
}

static void set_add(struct set *set, byte c)
{
    set->bits[c >> 6] |= (guint64)1 << (c & 63);
}

/* Compiling */

struct compiler {
    lua_State *L;
    const byte *at, *end;
    struct pattern *pattern;
    struct item *item;
    guint32 set_count;
    int open[PATTERN_CAPTURES], open_count;
    bool closed[PATTERN_CAPTURES];
};

static bool in_class(byte class, byte c)
{
    switch (class) {
    case 'a':
        return g_ascii_isalpha(c);
    case 'c':
        return g_ascii_iscntrl(c);
    case 'd':
        return g_ascii_isdigit(c);
    case 'g':
        return g_ascii_isgraph(c);
    case 'l':
        return g_ascii_islower(c);
    case 'p':
        return g_ascii_ispunct(c);
    case 's':
        return g_ascii_isspace(c) || c == '\v';
    case 'u':
        return g_ascii_isupper(c);
    case 'w':
        return g_ascii_isalnum(c);
    case 'x':
        return g_ascii_isxdigit(c);
    case 'z':
        return c == '\0';
    default:
        return false;
    }
}

/* Adds what %letter stands for; an upper-case letter is the complement, any other character is itself. */
static void add_escape(struct set *set, byte letter)
{
    byte class = (byte)g_ascii_tolower(letter);
    if (!strchr("acdglpsuwxz", class) || class == '\0') {
        set_add(set, letter);
        return;
    }
    bool complement = class != letter;
    for (int c = 0; c < 256; c++) {
        if (in_class(class, (byte)c) != complement)
            set_add(set, (byte)c);
    }
}

static bool is_class(byte letter)
{
    return letter != '\0' && strchr("acdglpsuwxzACDGLPSUWXZ", letter);
}

static struct set *new_set(struct compiler *c, struct item *item)
{
    item->set = c->set_count;
    return &c->pattern->sets[c->set_count++];
}

static byte escaped(struct compiler *c)
{
    if (c->at == c->end)
        luaL_error(c->L, "malformed pattern (ends with '%%')");
    return *c->at++;
}

/* Behind the '['. */
static void read_set(struct compiler *c, struct set *set)
{
    bool complement = c->at < c->end && *c->at == '^';
    if (complement)
        c->at++;
    for (bool first = true; c->at < c->end && (first || *c->at != ']'); first = false) {
        byte from = *c->at++;
        if (from == '%') {
            add_escape(set, escaped(c));
        } else if (c->end - c->at >= 2 && c->at[0] == '-' && c->at[1] != ']') {
            for (int member = from; member <= c->at[1]; member++)
                set_add(set, (byte)member);
            c->at += 2;
        } else {
            set_add(set, from);
        }
    }
    if (c->at == c->end)
        luaL_error(c->L, "malformed pattern (missing ']')");
    c->at++;
    for (int word = 0; complement && word < 4; word++)
        set->bits[word] = ~set->bits[word];
}

static void open_capture(struct compiler *c, struct item *item)
{
    if (c->pattern->captures == PATTERN_CAPTURES)
        luaL_error(c->L, "too many captures");
    item->a = (byte)c->pattern->captures++;
    if (c->at < c->end && *c->at == ')') {
        c->at++;
        item->kind = ITEM_POSITION;
        return;
    }
    item->kind = ITEM_OPEN;
    c->open[c->open_count++] = item->a;
}

static void close_capture(struct compiler *c, struct item *item)
{
    if (c->open_count == 0)
        luaL_error(c->L, "invalid pattern capture");
    item->kind = ITEM_CLOSE;
    item->a = (byte)c->open[--c->open_count];
    c->closed[item->a] = true;
}

static void read_escape(struct compiler *c, struct item *item)
{
    byte letter = escaped(c);
    if (letter == 'b') {
        if (c->end - c->at < 2)
            luaL_error(c->L, "malformed pattern (missing arguments to '%%b')");
        item->kind = ITEM_BALANCE;
        item->a = *c->at++;
        item->b = *c->at++;
    } else if (letter == 'f') {
        if (c->at == c->end || *c->at++ != '[')
            luaL_error(c->L, "missing '[' after '%%f' in pattern");
        item->kind = ITEM_FRONTIER;
        read_set(c, new_set(c, item));
    } else if (g_ascii_isdigit(letter)) {
        int index = letter - '1';
        if (index < 0 || index >= c->pattern->captures || !c->closed[index])
            luaL_error(c->L, "invalid capture index %%%d in pattern", index + 1);
        item->kind = ITEM_BACK;
        item->a = (byte)index;
    } else if (is_class(letter)) {
        item->kind = ITEM_SET;
        add_escape(new_set(c, item), letter);
    } else {
        item->kind = ITEM_LITERAL;
        item->a = letter;
    }
}

static void read_repeat(struct compiler *c, struct item *item)
{
    static const char signs[] = "?*+-";
    static const byte repeats[] = {OPTIONAL, MANY, SOME, LAZY};
    const char *sign = c->at < c->end && *c->at != '\0' ? strchr(signs, *c->at) : NULL;
    if (!sign)
        return;
    item->repeat = repeats[sign - signs];
    c->at++;
}

static void read_item(struct compiler *c)
{
    struct item *item = c->item++;
    byte first = *c->at++;
    switch (first) {
    case '(':
        open_capture(c, item);
        return;
    case ')':
        close_capture(c, item);
        return;
    case '$':
        item->kind = c->at == c->end ? ITEM_TAIL : ITEM_LITERAL;
        item->a = first;
        break;
    case '.':
        item->kind = ITEM_ANY;
        break;
    case '[':
        item->kind = ITEM_SET;
        read_set(c, new_set(c, item));
        break;
    case '%':
        read_escape(c, item);
        break;
    default:
        item->kind = ITEM_LITERAL;
        item->a = first;
    }
    if (item->kind == ITEM_LITERAL || item->kind == ITEM_ANY || item->kind == ITEM_SET)
        read_repeat(c, item);
}

/* At most one set for each '[' and each escape. */
static size_t count_sets(const char *text, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += text[i] == '[' || text[i] == '%';
    return count;
}

const struct pattern *pattern_push(lua_State *L, const char *text, size_t length, bool anchors)
{
    size_t items_size = (length + 1) * sizeof(struct item);
    size_t size = sizeof(struct pattern) + items_size + count_sets(text, length) * sizeof(struct set);
    struct pattern *pattern = lua_newuserdatauv(L, size, 0);
    memset(pattern, 0, size);
    pattern->sets = (struct set *)((char *)pattern->items + items_size);
    struct compiler compiler = {.L = L,
                                .at = (const byte *)text,
                                .end = (const byte *)text + length,
                                .pattern = pattern,
                                .item = pattern->items};
    pattern->anchored = anchors && length > 0 && text[0] == '^';
    compiler.at += pattern->anchored;
    while (compiler.at < compiler.end)
        read_item(&compiler);
    if (compiler.open_count > 0)
        luaL_error(L, "unfinished capture");
    return pattern;
}

bool pattern_anchored(const struct pattern *pattern)
{
    return pattern->anchored;
}

/* Matching */

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
