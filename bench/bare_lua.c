/* bare_lua: what calls from Lua cost with nothing behind them: bare_lua call N: a C function that looks at the clock;
 * bare_lua bridge N: the coroutine yields, another thread is woken, answers, and the coroutine is resumed. Prints
 * microseconds for N of them.
 */
#include <glib.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two threads that wait for each other. */
static GMutex mutex;
static GCond asked_changed, answered_changed;
static bool asked, answered, over;

static void *answer_all(void *arg)
{
    (void)arg;
    g_mutex_lock(&mutex);
    while (!over) {
        while (!asked && !over)
            g_cond_wait(&asked_changed, &mutex);
        asked = false;
        answered = true;
        g_cond_signal(&answered_changed);
    }
    g_mutex_unlock(&mutex);
    return NULL;
}

static void ask(void)
{
    g_mutex_lock(&mutex);
    asked = true;
    g_cond_signal(&asked_changed);
    while (!answered)
        g_cond_wait(&answered_changed, &mutex);
    answered = false;
    g_mutex_unlock(&mutex);
}

static int call(lua_State *L)
{
    lua_pushnumber(L, (double)g_get_real_time() / 1000000);
    return 1;
}

static int bridge(lua_State *L)
{
    return lua_yield(L, 0);
}

int main(int argc, char **argv)
{
    bool bridged = argc == 3 && strcmp(argv[1], "bridge") == 0;
    lua_State *L = luaL_newstate(), *task = lua_newthread(L);
    GThread *thread = g_thread_new("answers", answer_all, NULL);
    int results;
    if (argc != 3)
        return 2;
    luaL_openlibs(L);
    lua_register(L, "f", bridged ? bridge : call);
    if (luaL_loadstring(task, "for i = 1, ... do f() end") != LUA_OK)
        abort();
    lua_pushinteger(task, atoll(argv[2]));
    gint64 start = g_get_monotonic_time();
    for (int count = 1; lua_resume(task, NULL, count, &results) == LUA_YIELD; count = 0)
        ask();
    printf("%" G_GINT64_FORMAT "\n", g_get_monotonic_time() - start);
    g_mutex_lock(&mutex);
    over = true;
    g_cond_signal(&asked_changed);
    g_mutex_unlock(&mutex);
    g_thread_join(thread);
    lua_close(L);
    return 0;
}
