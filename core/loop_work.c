/* loop_work: bounded work off the loop, on few threads. Knows nothing of what the work is. */
#include "core/loop_private.h"

struct work {
    struct loop *loop;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void work_finish(void *arg)
{
    struct work *work = arg;
    loop_release(work->loop);
    work->done(work->arg);
    g_free(work);
}

static void work_run(void *data, void *unused)
{
    (void)unused;
    struct work *work = data;
    work->work(work->arg);
    loop_post(work->loop, work_finish, work); /* the loop waits for held work before it goes */
}

static void *pool_new(void *unused)
{
    (void)unused;
    return g_thread_pool_new(work_run, NULL, (gint)CLAMP(g_get_num_processors(), 2, 4), FALSE, NULL);
}

void loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    static GOnce pool = G_ONCE_INIT;
    struct work *item = g_new(struct work, 1);
    *item = (struct work){loop, work, done, arg};
    loop_hold(loop);
    g_thread_pool_push(g_once(&pool, pool_new, NULL), item, NULL);
}
