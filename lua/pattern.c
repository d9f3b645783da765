/* pattern: the compiler. A pattern becomes items, one for each single-character class or special, with 256-bit sets for
 * the classes.
 *
 * Everything that is wrong with a pattern is found here, whatever the text it meets. */
#include "lua/pattern.h"

#include "lua/pattern_items.h"

#include <lauxlib.h>
#include <string.h>

static void set_add(struct set *set, byte c)
{
    set->bits[c >> 6] |= (guint64)1 << (c & 63);
}

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
