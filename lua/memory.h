/* memory: an allocator with a ceiling for one lua_State.
 *
 * The ceiling holds only while `enforce` is set, that is while code runs inside lua_resume, where Lua can raise. The
 * engine's own calls from outside are never refused: there a refusal would be a panic, and they are few and small. */
#ifndef LUA_MEMORY_H
#define LUA_MEMORY_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct memory {
    size_t limit; /* bytes */
    size_t used;
    bool enforce;
    bool refused; /* the ceiling was met since this was last cleared */
};

/* A bare state without libraries that accounts to `memory`, which must outlive it. Never NULL. */
lua_State *memory_new_state(struct memory *memory);

#endif
