/* options: a table of options given by a script, read by name against a table of what is allowed. */
#ifndef LUA_OPTIONS_H
#define LUA_OPTIONS_H

#include "core/json.h"
#include <lua.h>
#include <stdint.h>

enum option_kind {
    OPTION_BOOL,
    OPTION_BYTES,    /* any text */
    OPTION_TEXT,     /* text without NUL */
    OPTION_DURATION, /* seconds or "30s" → milliseconds */
    OPTION_COUNT,    /* an integer from 1 to max */
    OPTION_MAP,      /* names to text, numbers or booleans → object of strings */
    OPTION_USER,     /* true → "root", false → absent, text */
    OPTION_CHOICE,   /* one of choices */
    OPTION_JSON,     /* any value that is JSON */
};

struct option {
    const char *name;
    const char *key; /* in the JSON; NULL = name */
    enum option_kind kind;
    int64_t max;
    const char *const *choices;
};

/* Reads the table at `index` (nil or none: nothing to read) into the object `into`, which a box owns: this raises
 * "unknown option 'tmeout' of h:run; did you mean 'timeout'?" and "option 'timeout' of h:run must be …". `options` ends
 * with name == NULL. */
void options_read(lua_State *L, int index, const struct option *options, const char *function, json_t *into);

/* A duration argument in milliseconds: seconds (a number) or text like "1m30s"; raises with `what` it is. */
int64_t options_duration_ms(lua_State *L, int index, const char *what);

#endif
