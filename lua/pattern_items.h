/* pattern_items: what a compiled pattern is made of; shared by the compiler (pattern.c) and the matcher
 * (pattern_match.c) only. */
#ifndef LUA_PATTERN_ITEMS_H
#define LUA_PATTERN_ITEMS_H

#include "lua/pattern.h"

#include <glib.h>

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

#endif
