/* store: the queues, the store thread with its group commits, the read thread. Refuses to know SQL and what rows mean.
 */
#include "jobs/store/store.h"
#include "core/errors.h"
#include "jobs/store/connection.h"
#include "jobs/store/folder.h"
#include "jobs/store/mailbox.h"
#include "jobs/store/store_private.h"
#include <string.h>
#include <unistd.h>

/* More than this waiting means that the disk does not keep up: refuse while the sender can still try again. */
#define MAX_WAITING 10000
/* Ceilings of one transaction: jobs, jobs in the background, and time, so that nobody's commit waits for long. */
#define MAX_GROUP            512
#define MAX_GROUP_BACKGROUND 16
#define MAX_GROUP_US         20000
#define READ_LIMIT_MS        5000
/* A group with so many deliveries means that senders wait in line: what can wait then rests for a while after it, but
 * for one job in every so many groups. */
#define BUSY_INTAKE   8
#define BUSY_REST_US  20000
#define BUSY_PATIENCE 8

#define PRIORITIES (STORE_BACKGROUND + 1)

struct store {
    struct store_tx *writer, *reader;
    struct mailbox *box; /* NULL for a store without a loop: command line */
    int lock_fd;
    GThread *write_thread, *read_thread;

    GMutex mutex; /* what stands below, up to the statistics */
    GCond wake_writer, wake_reader;
    GQueue writes[PRIORITIES], reads;
    unsigned waiting_writes, waiting_reads;
    bool stopping, writer_sleeps;
    gint64 rest_until_us; /* background jobs rest; the store thread's own */
    int rested;           /* groups since a background job ran, while they rest; the store thread's own */
    int64_t read_limit_ms, group_limit_us;
    int64_t committed, transactions, retries, refused;
};

/* A thread that waits in store_sync(). */
struct store_wait {
    GMutex mutex;
    GCond cond;
    bool finished;
};

static void finish_jobs(struct store *store, struct store_job **jobs, size_t count)
{
    size_t posted = 0;
    for (size_t i = 0; i < count; i++) {
        struct store_wait *wait = jobs[i]->wait;
        if (!wait) {
            jobs[posted++] = jobs[i];
            continue;
        }
        g_mutex_lock(&wait->mutex);
        wait->finished = true;
        g_cond_signal(&wait->cond);
        g_mutex_unlock(&wait->mutex);
    }
    if (posted)
        mailbox_send(store->box, jobs, posted);
}

/* --- one job, one transaction --- */

/* The job's own verdict, corrected by the database's: without a transaction nothing was kept, whatever the job says. */
static bool run_job(struct store_tx *tx, struct store_job *job)
{
    bool ok = job->fn(tx, job->arg, &job->error);
    if (!ok && !job->error)
        errors_set(&job->error, ERROR_INTERNAL, "a store job failed without saying why");
    if (ok && job->error) { /* a job that carried on after a failure it had already reported */
        g_clear_error(&job->error);
    }
    if (ok && !connection_in_transaction(tx)) {
        errors_set(&job->error, ERROR_STORE, "the transaction was lost");
        ok = false;
    }
    return ok;
}

static bool run_single(struct store_tx *tx, struct store_job *job)
{
    tx->lost = false;
    if (!connection_control(tx, CONTROL_BEGIN, &job->error))
        return false;
    bool ok = run_job(tx, job) && connection_control(tx, CONTROL_COMMIT, &job->error);
    connection_rollback(tx);
    tx->lost = false;
    return ok;
}

/* --- group commit --- */

struct group {
    struct store_job *jobs[MAX_GROUP];
    size_t count, intake, background;
    gint64 started_us;
};

static bool background_may_run(const struct store *store, const struct group *group)
{
    if (g_get_monotonic_time() < store->rest_until_us)
        return group->background == 0 && store->rested >= BUSY_PATIENCE;
    return group->background < (group->intake ? 1 : MAX_GROUP_BACKGROUND);
}

/* The first job that may run now, intake first; NULL when there is none. With the lock held. */
static struct store_job *pop_write(struct store *store, struct group *group)
{
    for (int i = 0; i < PRIORITIES; i++) {
        if (i == STORE_BACKGROUND && !store->stopping && !background_may_run(store, group))
            break;
        struct store_job *job = g_queue_pop_head(&store->writes[i]);
        if (!job)
            continue;
        store->waiting_writes--;
        group->background += i == STORE_BACKGROUND;
        group->intake += i == STORE_INTAKE;
        return job;
    }
    return NULL;
}

/* Sleeps until there may be a job. With the lock held. */
static void wait_for_write(struct store *store)
{
    store->writer_sleeps = true;
    if (store->waiting_writes) /* only some that rest */
        g_cond_wait_until(&store->wake_writer, &store->mutex, store->rest_until_us);
    else
        g_cond_wait(&store->wake_writer, &store->mutex);
    store->writer_sleeps = false;
}

/* The next job. Waits for one when the group is empty; NULL when the group should commit (or stop). */
static struct store_job *next_write(struct store *store, struct group *group)
{
    struct store_job *job = NULL;
    g_mutex_lock(&store->mutex);
    if (!group->count) {
        while (!(job = pop_write(store, group)) && !(store->stopping && !store->waiting_writes))
            wait_for_write(store);
    } else if (group->count < MAX_GROUP && g_get_monotonic_time() - group->started_us < store->group_limit_us) {
        job = pop_write(store, group);
    }
    g_mutex_unlock(&store->mutex);
    return job;
}

/* After a group: does what can wait have to rest? */
static void note_load(struct store *store, const struct group *group)
{
    store->rested = group->background ? 0 : store->rested + 1;
    if (group->intake >= BUSY_INTAKE)
        store->rest_until_us = g_get_monotonic_time() + BUSY_REST_US;
}

/* Runs a later job of a group, so that its failure undoes only itself. False when the whole transaction is gone. */
static bool run_later(struct store_tx *tx, struct store_job *job)
{
    if (job->one_statement) { /* a statement that fails undoes itself; a savepoint would copy each page that it touches
                               */
        run_job(tx, job);
        return connection_in_transaction(tx);
    }
    if (!connection_control(tx, CONTROL_SAVEPOINT, &job->error))
        return connection_in_transaction(tx);
    bool ok = run_job(tx, job);
    if (!connection_in_transaction(tx))
        return false;
    if (!ok && !connection_control(tx, CONTROL_ROLLBACK_TO, NULL))
        return false;
    return connection_control(tx, CONTROL_RELEASE, job->error ? NULL : &job->error);
}

/* Runs the jobs of a group that began with one that worked, and commits. False when nothing of it was kept. */
static bool run_group(struct store *store, struct group *group)
{
    struct store_tx *tx = store->writer;
    struct store_job *job;
    while ((job = next_write(store, group))) {
        group->jobs[group->count++] = job;
        if (!run_later(tx, job))
            return false;
    }
    return connection_control(tx, CONTROL_COMMIT, NULL);
}

static void retry_singly(struct store *store, struct group *group)
{
    connection_rollback(store->writer);
    for (size_t i = 0; i < group->count; i++) {
        g_clear_error(&group->jobs[i]->error);
        run_single(store->writer, group->jobs[i]);
    }
}

static void count_group(struct store *store, const struct group *group, bool retried)
{
    int64_t committed = 0;
    for (size_t i = 0; i < group->count; i++)
        committed += !group->jobs[i]->error;
    g_mutex_lock(&store->mutex);
    store->transactions += retried ? (int64_t)group->count : 1;
    store->retries += retried ? (int64_t)group->count : 0;
    store->committed += committed;
    g_mutex_unlock(&store->mutex);
}

/* Takes what waits and commits it at once. False when there is nothing left and the store is closing. */
static bool write_group(struct store *store, struct group *group)
{
    struct store_tx *tx = store->writer;
    group->count = group->intake = group->background = 0;
    struct store_job *first = next_write(store, group);
    if (!first)
        return false;
    group->started_us = g_get_monotonic_time();
    group->jobs[group->count++] = first;
    tx->lost = false;
    /* The first job needs no savepoint: when it fails there is nothing else to keep. */
    bool kept = connection_control(tx, CONTROL_BEGIN, &first->error) && run_job(tx, first);
    bool retried = kept && !run_group(store, group);
    if (retried)
        retry_singly(store, group);
    connection_rollback(tx);
    note_load(store, group);
    count_group(store, group, retried);
    finish_jobs(store, group->jobs, group->count);
    return true;
}

static void *write_main(void *arg)
{
    struct store *store = arg;
    struct group *group = g_new0(struct group, 1);
    while (write_group(store, group))
        ;
    g_free(group);
    return NULL;
}

/* --- reads --- */

static void run_read(struct store_tx *tx, struct store_job *job, int64_t limit_ms)
{
    tx->lost = false;
    tx->deadline_us = g_get_monotonic_time() + limit_ms * 1000;
    if (connection_run(tx, "BEGIN", &job->error) && !job->fn(tx, job->arg, &job->error) && !job->error)
        errors_set(&job->error, ERROR_INTERNAL, "a store read failed without saying why");
    if (job->error && job->error->code == ERROR_TIMEOUT && g_get_monotonic_time() > tx->deadline_us) {
        g_clear_error(&job->error);
        errors_set(&job->error, ERROR_TIMEOUT, "the read took longer than %d ms", (int)limit_ms);
    }
    tx->deadline_us = 0;
    connection_rollback(tx); /* ends the snapshot: an old one keeps the log from shrinking */
}

static void *read_main(void *arg)
{
    struct store *store = arg;
    for (;;) {
        g_mutex_lock(&store->mutex);
        while (!store->waiting_reads && !store->stopping)
            g_cond_wait(&store->wake_reader, &store->mutex);
        struct store_job *job = g_queue_pop_head(&store->reads);
        store->waiting_reads -= job != NULL;
        int64_t limit_ms = store->read_limit_ms;
        g_mutex_unlock(&store->mutex);
        if (!job)
            return NULL;
        run_read(store->reader, job, limit_ms);
        finish_jobs(store, &job, 1);
    }
}

/* --- queues --- */

static struct store_job *job_new(store_job_fn fn, store_done_fn done, void *arg)
{
    struct store_job *job = g_new0(struct store_job, 1);
    job->fn = fn;
    job->done = done;
    job->arg = arg;
    return job;
}

/* Puts a job at the end of a queue and wakes its thread; refused when too many wait. */
static void enqueue(struct store *store, GQueue *queue, unsigned *waiting, GCond *wake, struct store_job *job)
{
    g_mutex_lock(&store->mutex);
    bool stopping = store->stopping;
    bool refused = stopping || (*waiting >= MAX_WAITING && !job->wait);
    if (refused) {
        store->refused++;
    } else {
        g_queue_push_tail(queue, job);
        if (++*waiting == 1 || (wake == &store->wake_writer && store->writer_sleeps))
            g_cond_signal(wake);
    }
    g_mutex_unlock(&store->mutex);
    if (refused) {
        if (stopping)
            errors_set(&job->error, ERROR_UNAVAILABLE, "the database is closing");
        else
            errors_set(&job->error, ERROR_BUSY, "more than %d database jobs are waiting", MAX_WAITING);
        mailbox_send(store->box, &job, 1);
    }
}

void store_write(struct store *store, enum store_priority priority, store_job_fn job, store_done_fn done, void *arg)
{
    struct store_job *queued = job_new(job, done, arg);
    queued->one_statement = priority == STORE_INTAKE;
    enqueue(store, &store->writes[priority], &store->waiting_writes, &store->wake_writer, queued);
}

void store_read(struct store *store, store_job_fn job, store_done_fn done, void *arg)
{
    enqueue(store, &store->reads, &store->waiting_reads, &store->wake_reader, job_new(job, done, arg));
}

bool store_sync(struct store *store, store_job_fn fn, void *arg, GError **error)
{
    struct store_job *job = job_new(fn, NULL, arg);
    if (!store->write_thread) {
        run_single(store->writer, job);
    } else {
        struct store_wait wait = {0};
        g_mutex_init(&wait.mutex);
        g_cond_init(&wait.cond);
        job->wait = &wait;
        enqueue(store, &store->writes[STORE_INTAKE], &store->waiting_writes, &store->wake_writer, job);
        g_mutex_lock(&wait.mutex);
        while (!wait.finished)
            g_cond_wait(&wait.cond, &wait.mutex);
        g_mutex_unlock(&wait.mutex);
        g_mutex_clear(&wait.mutex);
        g_cond_clear(&wait.cond);
    }
    bool ok = !job->error;
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&job->error));
    store_job_free(job);
    return ok;
}

/* --- life --- */

static bool open_database(struct store *store, const char *data_folder, bool serve, GError **error)
{
    g_autofree char *path = g_build_filename(data_folder, "hikeshi.db", NULL);
    if (!folder_create(data_folder, error))
        return false;
    GError *taken = NULL;
    store->lock_fd = folder_lock(data_folder, &taken);
    if (store->lock_fd < 0 && serve) {
        g_propagate_error(error, taken);
        return false;
    }
    g_clear_error(&taken); /* the command line works beside a server, but then leaves the schema alone */
    store->writer = connection_open(path, CONNECTION_WRITE, error);
    if (!store->writer || !connection_migrate(store->writer, store->lock_fd >= 0, error) ||
        (serve && !connection_prepare_all(store->writer, error)))
        return false;
    if (serve)
        store->reader = connection_open(path, CONNECTION_READ, error);
    return !serve || store->reader;
}

struct store *store_open(struct loop *loop, const char *data_folder, GError **error)
{
    struct store *store = g_new0(struct store, 1);
    store->lock_fd = -1;
    store->read_limit_ms = READ_LIMIT_MS;
    store->group_limit_us = MAX_GROUP_US;
    g_mutex_init(&store->mutex);
    g_cond_init(&store->wake_writer);
    g_cond_init(&store->wake_reader);
    if (!open_database(store, data_folder, loop != NULL, error)) {
        store_close(store);
        return NULL;
    }
    if (loop) {
        store->box = mailbox_new(loop);
        store->write_thread = g_thread_new("store-write", write_main, store);
        store->read_thread = g_thread_new("store-read", read_main, store);
    }
    return store;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    g_mutex_lock(&store->mutex);
    store->stopping = true;
    g_cond_broadcast(&store->wake_writer);
    g_cond_broadcast(&store->wake_reader);
    g_mutex_unlock(&store->mutex);
    if (store->write_thread)
        g_thread_join(store->write_thread);
    if (store->read_thread)
        g_thread_join(store->read_thread);
    store->write_thread = store->read_thread = NULL;
    if (store->box) {
        mailbox_close(store->box);
        mailbox_unref(store->box);
    }
    connection_close(store->reader);
    connection_close(store->writer); /* last: it empties the log into the database */
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    g_mutex_clear(&store->mutex);
    g_cond_clear(&store->wake_writer);
    g_cond_clear(&store->wake_reader);
    g_free(store);
}

void store_set_read_limit_ms(struct store *store, int64_t limit_ms)
{
    g_mutex_lock(&store->mutex);
    store->read_limit_ms = limit_ms;
    g_mutex_unlock(&store->mutex);
}

void store_set_group_limit_ms(struct store *store, int64_t limit_ms)
{
    g_mutex_lock(&store->mutex);
    store->group_limit_us = limit_ms * 1000;
    g_mutex_unlock(&store->mutex);
}

bool store_run_sql(struct store_tx *tx, const char *sql, GError **error)
{
    return connection_run(tx, sql, error);
}

json_t *store_stats(struct store *store)
{
    g_mutex_lock(&store->mutex);
    json_t *stats =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "writes_committed", store->committed, "transactions",
                  store->transactions, "retries", store->retries, "refused", store->refused, "writes_waiting",
                  (json_int_t)store->waiting_writes, "reads_waiting", (json_int_t)store->waiting_reads);
    g_mutex_unlock(&store->mutex);
    return stats;
}
