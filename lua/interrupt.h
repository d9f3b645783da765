/* interrupt: stops Lua code that does not want to stop.
 *
 * The loop raises the bridge's level and sends the thread a signal; the handler, which runs on that thread, hooks the
 * coroutine that runs (lua_sethook is made for this). At the next instruction the hook yields, which pcall cannot
 * swallow; where Lua cannot yield (a comparator of table.sort, a callback of gsub) it raises, and again at each
 * instruction that is tried after. There is no permanent hook: it would halve the speed of Lua. Everything here but
 * interrupt_signal() is called on the Lua thread. */
#ifndef LUA_INTERRUPT_H
#define LUA_INTERRUPT_H

#include "lua/bridge.h"
#include <lua.h>
#include <pthread.h>
#include <stdbool.h>

struct interrupt {
    const struct bridge *bridge;
    enum level ignore; /* levels up to this one do not stop what runs now */
    bool ending;       /* the script ends itself: finish(), skip() */
    lua_State *volatile running;
};

void interrupt_init(struct interrupt *interrupt, const struct bridge *bridge);
void interrupt_clear(struct interrupt *interrupt);
bool interrupt_pending(const struct interrupt *interrupt);
/* lua_resume that can be interrupted; LUA_YIELD at once when an interrupt is pending. */
int interrupt_resume(struct interrupt *interrupt, lua_State *L, lua_State *from, int argument_count);
/* From a C function: stops this task now. Never returns to its caller's code but through `return`. */
int interrupt_now(lua_State *L);

/* Start of a Lua thread: only the interrupt's signal is let through, the others are the loop's. */
void interrupt_unblock_signal(void);
/* On the loop. install: once a process is enough, more do no harm. `thread` must not have been joined. */
void interrupt_install(void);
void interrupt_signal(pthread_t thread);

#endif
