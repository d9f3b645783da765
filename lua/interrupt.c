#include "lua/interrupt.h"

#include <lauxlib.h>
#include <signal.h>

/* Ignored by default, so a stray one harms nobody; other runtimes preempt their threads with it too. */
#define INTERRUPT_SIGNAL SIGURG

static _Thread_local struct interrupt *volatile current;

bool interrupt_pending(const struct interrupt *interrupt)
{
    return interrupt->ending || bridge_level(interrupt->bridge) > interrupt->ignore;
}

static void hook(lua_State *L, lua_Debug *event)
{
    (void)event;
    if (!current || !interrupt_pending(current)) {
        lua_sethook(L, NULL, 0, 0); /* a signal that came late, meant for what has ended */
        return;
    }
    if (lua_isyieldable(L))
        lua_yield(L, 0);
    else
        luaL_error(L, "interrupted");
}

static void set_hook(lua_State *L)
{
    lua_sethook(L, hook, LUA_MASKCOUNT, 1);
}

static void on_signal(int signum)
{
    (void)signum;
    struct interrupt *interrupt = current;
    lua_State *L = interrupt ? interrupt->running : NULL;
    if (L)
        set_hook(L);
}

static void install_handler(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(INTERRUPT_SIGNAL, &action, NULL);
}

void interrupt_init(struct interrupt *interrupt, const struct bridge *bridge)
{
    interrupt->bridge = bridge;
    interrupt->ignore = LEVEL_NONE;
    interrupt->ending = false;
    interrupt->running = NULL;
    current = interrupt;
}

void interrupt_clear(struct interrupt *interrupt)
{
    (void)interrupt;
    current = NULL;
}

int interrupt_resume(struct interrupt *interrupt, lua_State *L, lua_State *from, int argument_count)
{
    int status = LUA_YIELD;
    int result_count;
    /* First `running`, then the look at the level: a signal in between finds the coroutine, one before has raised the
     * level. */
    interrupt->running = L;
    if (!interrupt_pending(interrupt))
        status = lua_resume(L, from, argument_count, &result_count);
    interrupt->running = NULL;
    return status;
}

int interrupt_now(lua_State *L)
{
    if (lua_isyieldable(L))
        return lua_yield(L, 0);
    set_hook(L);
    return luaL_error(L, "interrupted");
}

void interrupt_unblock_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, INTERRUPT_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void interrupt_install(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install_handler);
}

void interrupt_signal(pthread_t thread)
{
    pthread_kill(thread, INTERRUPT_SIGNAL);
}
