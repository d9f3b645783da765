/* delivery_queue: which deliveries are worked on, and when: it reads them from the database in order, keeps some in
 * flight, and rests after trouble. What is done with one is delivery_work.c. */
#include "core/clock.h"
#include "core/errors.h"
#include "core/log.h"
#include "jobs/delivery_work.h"
#include <string.h>

/* Deliveries in work, not counting those that wait for an API: a slow one must not hold up other senders. */
#define MAX_FLYING   64
#define PULL_COUNT   16
#define PULL_BYTES   (8 * 1024 * 1024)
#define RETRY_MS     30000 /* until the one more try */
#define TROUBLE_MS   5000  /* until the next look after the database failed */
#define HOLD_MS      30000 /* after the start, for the first load of the catalog */
#define DUE_LOOK_MS  200
#define HOLD_LOOK_MS 200

static void queue_unref(struct delivery_queue *queue)
{
    if (--queue->references > 0)
        return;
    g_hash_table_unref(queue->flying);
    g_hash_table_unref(queue->failures);
    g_hash_table_unref(queue->paused);
    g_free(queue);
}

static void pull_wanted(struct delivery_queue *queue);

void delivery_queue_ended(struct delivery_work *work)
{
    struct delivery_queue *queue = work->queue;
    g_hash_table_remove(queue->flying, &work->job.seq);
    if (work->job.ended)
        g_hash_table_remove(queue->failures, &work->job.seq);
    delivery_job_clear(&work->job);
    g_free(work);
    pull_wanted(queue);
    queue_unref(queue);
}

static void rest(struct delivery_queue *queue, uint64_t ms)
{
    queue->resting = queue->wanted = queue->wanted_due = true;
    loop_timer_start(queue->timer, ms, 0);
}

void delivery_queue_failed(struct delivery_work *work)
{
    struct delivery_queue *queue = work->queue;
    if (!work->again)
        queue->cursor = MIN(queue->cursor, work->job.seq - 1);
    rest(queue, (uint64_t)queue->trouble_ms);
    delivery_queue_ended(work);
}

/* --- taking deliveries from the database --- */

struct pull {
    struct delivery_queue *queue;
    const struct delivery_service *service;
    bool due;        /* also deliveries for another try */
    bool taking_due; /* which of both is read now */
    int64_t cursor, now_ms, next_due_ms;
    GPtrArray *works;
    size_t bytes;
    bool more;
};

static void free_work(void *data)
{
    struct delivery_work *work = data;
    delivery_job_clear(&work->job);
    g_free(work);
}

static bool take_row(struct store_row *row, void *arg)
{
    struct pull *pull = arg;
    size_t length;
    const char *body = store_row_blob(row, 3, &length);
    struct delivery_work *work = g_new0(struct delivery_work, 1);
    work->queue = pull->queue;
    work->again = pull->taking_due;
    work->job.seq = store_row_int(row, 0);
    work->job.source = delivery_source(pull->service, store_row_text(row, 1));
    work->job.received_ms = store_row_int(row, 2);
    work->job.tries = store_row_int(row, 4);
    delivery_job_read(&work->job, body, length);
    g_ptr_array_add(pull->works, work);
    pull->bytes += length;
    pull->more = pull->works->len >= PULL_COUNT || pull->bytes >= PULL_BYTES;
    return pull->bytes < PULL_BYTES;
}

/* Reads and parses on the read thread: bodies may be megabytes. */
static bool pull_job(struct store_tx *tx, void *arg, GError **error)
{
    struct pull *pull = arg;
    g_autoptr(json_t) next = NULL;
    if (pull->due) {
        pull->taking_due = true;
        if (!store_query(tx, SQL_DELIVERY_DUE, take_row, pull, error, "ii", pull->now_ms, (int64_t)PULL_COUNT) ||
            !store_get(tx, SQL_DELIVERY_NEXT_DUE, &next, error, "i", pull->now_ms))
            return false;
        pull->next_due_ms = json_get_integer(next, "due_at", 0);
        if (pull->more) /* there may be others that are due; the first ones are then on their way */
            pull->next_due_ms = pull->now_ms + DUE_LOOK_MS;
    }
    pull->taking_due = pull->more = false;
    return store_query(tx, SQL_DELIVERY_FRESH, take_row, pull, error, "ii", pull->cursor, (int64_t)PULL_COUNT);
}

static void begin(struct delivery_queue *queue, struct delivery_work *work)
{
    if (g_hash_table_contains(queue->flying, &work->job.seq)) {
        free_work(work);
        return;
    }
    queue->references++;
    g_hash_table_insert(queue->flying, &work->job.seq, work);
    delivery_work_start(work);
}

static void on_pulled(void *arg, const GError *error)
{
    struct pull *pull = arg;
    struct delivery_queue *queue = pull->queue;
    queue->pulling = false;
    if (queue->service && error) {
        if (error->code != ERROR_UNAVAILABLE)
            log_error("deliveries not read", "error", error->message, NULL);
        rest(queue, (uint64_t)queue->trouble_ms);
    } else if (queue->service) {
        queue->wanted = queue->wanted || pull->more;
        if (pull->next_due_ms && !queue->resting)
            loop_timer_start(queue->timer, (uint64_t)MAX(pull->next_due_ms - clock_now_ms(), 10), 0);
        /* A failure that moved the cursor back while the read was under way stands: its delivery comes next time. */
        bool moved_back = queue->cursor < pull->cursor;
        while (pull->works->len) {
            struct delivery_work *work = g_ptr_array_steal_index(pull->works, 0);
            if (!work->again && !moved_back)
                queue->cursor = MAX(queue->cursor, work->job.seq);
            begin(queue, work);
        }
        pull_wanted(queue);
    }
    g_ptr_array_unref(pull->works);
    g_free(pull);
    queue_unref(queue);
}

/* Right after the start the catalog may still be on its way: matching against nothing would lose what should have
 * started. */
static bool hold(struct delivery_queue *queue)
{
    struct jobs *jobs = queue->jobs;
    if (!jobs->catalog || (int64_t)loop_now_ms(jobs->loop) > queue->hold_until_ms)
        return false;
    const struct catalog_set *set = catalog_current(jobs->catalog);
    if (set && json_object_size(set->commits))
        return false;
    rest(queue, HOLD_LOOK_MS);
    return true;
}

static void pull_wanted(struct delivery_queue *queue)
{
    if (!queue->service || queue->pulling || queue->resting || !(queue->wanted || queue->wanted_due) ||
        g_hash_table_size(queue->flying) - queue->fetching > MAX_FLYING - PULL_COUNT || hold(queue))
        return;
    struct pull *pull = g_new0(struct pull, 1);
    pull->queue = queue;
    pull->service = queue->service;
    pull->due = queue->wanted_due;
    pull->cursor = queue->cursor;
    pull->now_ms = clock_now_ms();
    pull->works = g_ptr_array_new_with_free_func(free_work);
    queue->wanted = queue->wanted_due = false;
    queue->pulling = true;
    queue->references++;
    store_read(queue->jobs->store, pull_job, on_pulled, pull);
}

static void on_timer(void *arg)
{
    struct delivery_queue *queue = arg;
    queue->resting = false;
    queue->wanted = queue->wanted_due = true;
    pull_wanted(queue);
}

/* --- life --- */

void delivery_queue_kick(struct delivery_queue *queue)
{
    queue->wanted = true;
    pull_wanted(queue);
}

void delivery_queue_kick_due(struct delivery_queue *queue)
{
    queue->wanted_due = true;
    pull_wanted(queue);
}

size_t delivery_queue_flying(const struct delivery_queue *queue)
{
    return g_hash_table_size(queue->flying);
}

void delivery_queue_set_times(struct delivery_queue *queue, int64_t retry_ms, int64_t trouble_ms)
{
    queue->retry_ms = retry_ms;
    queue->trouble_ms = trouble_ms;
}

struct delivery_queue *delivery_queue_new(struct delivery_service *service)
{
    struct delivery_queue *queue = g_new0(struct delivery_queue, 1);
    struct jobs *jobs = service->jobs;
    queue->service = service;
    queue->jobs = jobs;
    queue->references = 1;
    queue->retry_ms = RETRY_MS;
    queue->trouble_ms = TROUBLE_MS;
    queue->flying = g_hash_table_new(g_int64_hash, g_int64_equal);
    queue->failures = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    queue->paused = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    queue->timer = loop_timer_new(jobs->loop, on_timer, queue);
    bool expects = config_tree(jobs->config, "repositories") || config_string(jobs->config, "repo");
    queue->hold_until_ms = (int64_t)loop_now_ms(jobs->loop) + (expects ? HOLD_MS : 0);
    rest(queue, 0); /* what a crash left, as soon as the loop runs */
    return queue;
}

void delivery_queue_free(struct delivery_queue *queue)
{
    GHashTableIter each;
    void *value;
    queue->service = NULL;
    g_clear_pointer(&queue->timer, loop_timer_free);
    g_autoptr(GPtrArray) waiting = g_ptr_array_new();
    g_hash_table_iter_init(&each, queue->flying);
    while (g_hash_table_iter_next(&each, NULL, &value))
        if (((struct delivery_work *)value)->call)
            g_ptr_array_add(waiting, value);
    for (guint i = 0; i < waiting->len; i++) {
        http_call_cancel(((struct delivery_work *)waiting->pdata[i])->call);
        delivery_queue_ended(waiting->pdata[i]);
    }
    queue_unref(queue);
}
