/* run_workers: see run_workers.h. A worker without a process to watch is forgotten after FORGET_MS of silence: its next
 * life has another id. */
#include "jobs/run_workers.h"
#include "core/limits.h"
#include "core/process.h"

enum { FORGET_MS = 4 * LEASE_MS };

struct worker {
    struct run_workers *workers;
    char *id, *process;          /* process: NULL when it cannot be seen from here */
    struct process_watch *watch; /* NULL: the same */
    uint64_t heard_ms;           /* loop time; 0 = not yet */
};

struct run_workers {
    struct loop *loop;
    GHashTable *all; /* id → struct worker* */
    void (*gone)(void *arg, const char *worker);
    void *arg;
};

static void worker_free(void *data)
{
    struct worker *worker = data;
    process_watch_free(worker->watch);
    g_free(worker->id);
    g_free(worker->process);
    g_free(worker);
}

struct run_workers *run_workers_new(struct loop *loop, void (*gone)(void *arg, const char *worker), void *arg)
{
    struct run_workers *workers = g_new0(struct run_workers, 1);
    *workers = (struct run_workers){.loop = loop, .gone = gone, .arg = arg};
    workers->all = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, worker_free);
    return workers;
}

void run_workers_free(struct run_workers *workers)
{
    if (!workers)
        return;
    g_hash_table_unref(workers->all);
    g_free(workers);
}

static void on_gone(void *arg)
{
    struct worker *worker = arg;
    struct run_workers *workers = worker->workers;
    g_hash_table_steal(workers->all, worker->id);
    workers->gone(workers->arg, worker->id);
    worker_free(worker);
}

static gboolean is_forgotten(void *key, void *value, void *arg)
{
    (void)key;
    const struct worker *worker = value;
    const struct run_workers *workers = arg;
    return !worker->watch && loop_now_ms(workers->loop) - worker->heard_ms > FORGET_MS;
}

static struct worker *worker_of(struct run_workers *workers, const char *id)
{
    struct worker *worker = g_hash_table_lookup(workers->all, id);
    if (worker)
        return worker;
    g_hash_table_foreach_remove(workers->all, is_forgotten, workers);
    worker = g_new0(struct worker, 1);
    worker->workers = workers;
    worker->id = g_strdup(id);
    g_hash_table_insert(workers->all, worker->id, worker);
    return worker;
}

static void watch(struct worker *worker, const char *process)
{
    worker->watch = process ? process_watch_new(worker->workers->loop, process, on_gone, worker) : NULL;
    if (worker->watch)
        worker->process = g_strdup(process);
}

void run_workers_expect(struct run_workers *workers, const char *id, const char *process)
{
    struct worker *worker = worker_of(workers, id);
    if (!worker->watch)
        watch(worker, process);
}

void run_workers_heard(struct run_workers *workers, const char *id, pid_t pid)
{
    struct worker *worker = worker_of(workers, id);
    worker->heard_ms = loop_now_ms(workers->loop);
    if (worker->watch || pid <= 0)
        return;
    g_autofree char *process = process_name(pid);
    watch(worker, process);
}

const char *run_workers_process(const struct run_workers *workers, const char *id)
{
    const struct worker *worker = g_hash_table_lookup(workers->all, id);
    return worker ? worker->process : NULL;
}

size_t run_workers_count(const struct run_workers *workers, int64_t within_ms)
{
    uint64_t now_ms = loop_now_ms(workers->loop);
    size_t count = 0;
    GHashTableIter iter;
    const struct worker *worker;
    g_hash_table_iter_init(&iter, workers->all);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&worker))
        count += worker->heard_ms && now_ms - worker->heard_ms < (uint64_t)within_ms;
    return count;
}
