#include "core/parallel.h"

/* Parsing is a few hundred microseconds a file: more threads than this only wait for the disk and the allocator. */
enum { MAX_THREADS = 8, WORTH_A_THREAD = 64 };

struct work {
    void (*fn)(void *arg, guint index);
    void *arg;
    guint count;
    gint next; /* index that the next free thread takes */
};

static void *work_on(void *data)
{
    struct work *work = data;
    for (;;) {
        guint i = (guint)g_atomic_int_add(&work->next, 1);
        if (i >= work->count)
            return NULL;
        work->fn(work->arg, i);
    }
}

void parallel_each(guint count, void (*fn)(void *arg, guint index), void *arg)
{
    struct work work = {fn, arg, count, 0};
    GThread *threads[MAX_THREADS];
    guint wanted = MIN(MIN(g_get_num_processors(), MAX_THREADS), count / WORTH_A_THREAD), started = 0;
    for (guint i = 1; i < wanted; i++) {
        GThread *thread = g_thread_try_new("parallel", work_on, &work, NULL); /* without one it only takes longer */
        if (thread)
            threads[started++] = thread;
    }
    work_on(&work);
    while (started > 0)
        g_thread_join(threads[--started]);
}
