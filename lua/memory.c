#include "lua/memory.h"

#include <glib.h>
#include <stdlib.h>

static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
    struct memory *memory = arg;
    if (!old)
        old_size = 0; /* Lua passes the kind of object here */
    if (size == 0) {
        free(old);
        memory->used -= old_size;
        return NULL;
    }
    if (memory->enforce && size > old_size && memory->used + (size - old_size) > memory->limit) {
        memory->refused = true;
        return NULL;
    }
    void *grown = realloc(old, size);
    if (grown)
        memory->used = memory->used - old_size + size;
    return grown;
}

/* Only reached by a defect in the engine: every user error is caught by lua_resume. */
static int panic(lua_State *L)
{
    g_error("lua: unprotected error: %s", lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(not text)");
    return 0;
}

lua_State *memory_new_state(struct memory *memory)
{
    lua_State *L = lua_newstate(allocate, memory);
    if (!L)
        g_error("lua: no memory for a new state");
    lua_atpanic(L, panic);
    return L;
}
