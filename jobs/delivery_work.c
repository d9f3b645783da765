/* delivery_work: deliveries after the answer: read, fetch what the webhook lacks, apply to the incident, match, start
 * runs.
 *
 * Everything that counts is in the database: a delivery is 'received' until its last store job, which ends it together
 * with what it did. Work that a crash interrupts starts again from the delivery; applied_json, start keys and event
 * keys make that harmless. A few deliveries are in work at a time, in the background of the store, so that intake is
 * never slower for it. */
#include "core/clock.h"
#include "core/errors.h"
#include "core/log.h"
#include "jobs/delivery_job.h"
#include "jobs/delivery_private.h"
#include "jobs/feed.h"
#include "jobs/outbox.h"
#include "jobs/run.h"
#include <string.h>

/* Deliveries in work, not counting those that wait for an API: a slow one must not hold up other senders. */
#define MAX_FLYING     64
#define MAX_FETCHING   100
#define PULL_COUNT     16
#define PULL_BYTES     (8 * 1024 * 1024)
#define FETCH_MS       5000  /* all pages of one incident; then match without the rest */
#define FETCH_PAUSE_MS 10000 /* after a failed fetch the next deliveries do not wait for one */
#define RETRY_MS       30000 /* until the one more try */
#define TROUBLE_MS     5000  /* until the next look after the database failed */
#define MAX_FAILURES   3
#define FETCH_BODY     (4 * 1024 * 1024)
#define HOLD_MS        30000 /* after the start, for the first load of the catalog */
#define DUE_LOOK_MS    200
#define HOLD_LOOK_MS   200

struct delivery_queue {
    struct delivery_service *service; /* NULL: stopping; work under way only frees itself */
    struct jobs *jobs;
    struct loop_timer *timer; /* the next look that nothing else causes */
    GHashTable *flying;       /* seq → struct work */
    GHashTable *failures;     /* seq → how often it failed for a reason of its own */
    GHashTable *paused;       /* source name → loop time until which nothing is fetched */
    int64_t cursor;           /* fresh deliveries up to this seq were taken */
    int64_t retry_ms, trouble_ms;
    bool wanted, wanted_due; /* there may be fresh deliveries; deliveries for another try */
    bool pulling, resting;   /* a read is under way; nothing is read until the timer */
    guint fetching;          /* works that wait for an API */
    int64_t hold_until_ms;   /* loop time until which the first load of the catalog is waited for */
    int references;          /* the service's, one for each work and read */
};

struct work {
    struct delivery_queue *queue;
    bool again;             /* not fresh: the cursor does not follow it */
    int64_t fetch_until_ms; /* loop time; 0 = nothing was asked yet */
    struct http_call *call;
    struct delivery_job job;
};

static void queue_unref(struct delivery_queue *queue)
{
    if (--queue->references > 0)
        return;
    g_hash_table_unref(queue->flying);
    g_hash_table_unref(queue->failures);
    g_hash_table_unref(queue->paused);
    g_free(queue);
}

static bool stopping(const struct work *work)
{
    return work->queue->service == NULL;
}

static void pull_wanted(struct delivery_queue *queue);

/* Forgets a work and looks for the next. */
static void work_end(struct work *work)
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

static void on_applied(void *arg, const GError *error);
static bool apply(struct store_tx *tx, void *arg, GError **error);

/* True when the fault may lie in the delivery itself and it has failed often enough: it becomes a dead letter. */
static bool give_up(struct work *work, const GError *error)
{
    GHashTable *failures = work->queue->failures;
    bool of_database = error->code == ERROR_STORE || error->code == ERROR_BUSY || error->code == ERROR_UNAVAILABLE;
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(failures, &work->job.seq)) + 1;
    if (of_database || work->job.dead)
        return false;
    int64_t *seq = g_new(int64_t, 1);
    *seq = work->job.seq;
    g_hash_table_replace(failures, seq, GUINT_TO_POINTER(count));
    return count >= MAX_FAILURES;
}

/* It failed: the delivery is still 'received'; look for it again later. */
static void work_trouble(struct work *work, const GError *error)
{
    struct delivery_queue *queue = work->queue;
    if (queue->service && error->code != ERROR_UNAVAILABLE) { /* that is: the server stops */
        g_autofree char *seq = g_strdup_printf("%" G_GINT64_FORMAT, work->job.seq);
        log_error("delivery not worked on", "delivery", seq, "error", error->message, NULL);
        if (give_up(work, error)) {
            work->job.dead = g_strdup_printf("it could not be worked on: %s", error->message);
            store_write(queue->jobs->store, STORE_BACKGROUND, apply, on_applied, work);
            return;
        }
        if (!work->again)
            queue->cursor = MIN(queue->cursor, work->job.seq - 1);
        rest(queue, (uint64_t)queue->trouble_ms);
    }
    work_end(work);
}

/* --- after a commit --- */

static void publish(struct jobs *jobs, const char *incident)
{
    if (!jobs->feed || feed_idle(jobs->feed) || !incident)
        return;
    g_autofree char *topic = g_strconcat("incident:", incident, NULL);
    g_autofree char *now = clock_format(clock_now_ms());
    g_autoptr(json_t) event = json_pack("{s:s, s:s, s:s}", "kind", "incident", "at", now, "incident", incident);
    feed_publish(jobs->feed, topic, event);
    feed_publish(jobs->feed, "all", event);
}

static void after_commit(struct work *work)
{
    struct jobs *jobs = work->queue->jobs;
    struct delivery_job *job = &work->job;
    size_t i;
    json_t *run;
    json_array_foreach (job->stopped, i, run)
        run_stopped(jobs, json_get_string(run, "run", ""), "incident_resolved", json_get_bool(run, "running", false));
    if (job->started)
        run_queue_kick(jobs);
    if (job->incident)
        publish(jobs, json_get_string(job->incident, "id", NULL));
    outbox_kick(jobs);
    if (job->due_ms)
        delivery_queue_kick_due(work->queue);
}

/* --- the stages, in reverse order --- */

static bool start_chunk(struct store_tx *tx, void *arg, GError **error)
{
    struct work *work = arg;
    return delivery_job_start(tx, &work->job, error);
}

static void next_chunk(struct work *work);

static void on_chunk(void *arg, const GError *error)
{
    struct work *work = arg;
    if (error) {
        work_trouble(work, error);
        return;
    }
    if (!stopping(work))
        after_commit(work);
    if (work->job.ended || stopping(work))
        work_end(work);
    else
        next_chunk(work);
}

static void next_chunk(struct work *work)
{
    work->job.next_start = work->job.next_chunk;
    store_write(work->queue->jobs->store, STORE_BACKGROUND, start_chunk, on_chunk, work);
}

static void match_off_loop(void *arg)
{
    struct work *work = arg;
    delivery_job_match(&work->job);
}

static void on_matched(void *arg)
{
    struct work *work = arg;
    if (stopping(work))
        work_end(work);
    else
        next_chunk(work);
}

static bool apply(struct store_tx *tx, void *arg, GError **error)
{
    struct work *work = arg;
    return delivery_job_apply(tx, &work->job, error);
}

static void on_applied(void *arg, const GError *error)
{
    struct work *work = arg;
    if (error) {
        work_trouble(work, error);
        return;
    }
    if (!stopping(work))
        after_commit(work);
    if (work->job.ended || stopping(work))
        work_end(work);
    else if (work->job.plan)
        next_chunk(work);
    else
        loop_work(work->queue->jobs->loop, match_off_loop, on_matched, work);
}

static void work_apply(struct work *work)
{
    struct jobs *jobs = work->queue->jobs;
    work->job.rules = work->queue->service->rules;
    work->job.set = jobs->catalog ? catalog_set_ref(catalog_current(jobs->catalog)) : NULL;
    work->job.retry_ms = work->queue->retry_ms;
    store_write(jobs->store, STORE_BACKGROUND, apply, on_applied, work);
}

/* --- what the webhook lacks --- */

static void fetch_failed(struct work *work, const char *why)
{
    struct delivery_queue *queue = work->queue;
    int64_t *until = g_new(int64_t, 1);
    *until = (int64_t)loop_now_ms(queue->jobs->loop) + FETCH_PAUSE_MS;
    g_hash_table_replace(queue->paused, g_strdup(work->job.source->name), until);
    work->job.lacking = g_strdup(why);
    log_warn("alerts not fetched", "source", work->job.source->name, "incident",
             json_get_string(work->job.reading.update, "key", NULL), "error", why, NULL);
}

static bool work_fetch(struct work *work);

static void on_fetched(void *arg, const struct http_response *response, const GError *error)
{
    struct work *work = arg;
    const struct source *source = work->job.source;
    work->call = NULL;
    work->queue->fetching--;
    g_autoptr(json_t) answer =
        response && response->status == 200 ? json_parse(response->body, response->body_length, "answer", NULL) : NULL;
    if (answer && source->kind->enrich_merge(source, work->job.reading.update, answer)) {
        g_hash_table_remove(work->queue->paused, source->name);
        if (work_fetch(work)) /* the next page */
            return;
    } else {
        g_autofree char *status = response ? g_strdup_printf("the API answered %d", response->status) : NULL;
        fetch_failed(work, response && response->status == 200 ? "the API's answer makes no sense"
                           : status                            ? status
                                                               : error->message);
    }
    work_apply(work);
}

/* True when a fetch is under way. */
static bool work_fetch(struct work *work)
{
    const struct source *source = work->job.source;
    struct jobs *jobs = work->queue->jobs;
    g_autofree char *url = NULL;
    g_auto(GStrv) headers = NULL;
    if (!source->kind->enrich_request || !jobs->http ||
        !source->kind->enrich_request(source, work->job.reading.update, &url, &headers))
        return false;
    const int64_t *until = g_hash_table_lookup(work->queue->paused, source->name);
    int64_t now_ms = (int64_t)loop_now_ms(jobs->loop);
    if (work->fetch_until_ms == 0)
        work->fetch_until_ms = now_ms + FETCH_MS;
    if (now_ms >= work->fetch_until_ms) {
        fetch_failed(work, "the API has too many pages for the time there is");
        return false;
    }
    if (until && *until > now_ms && work->job.tries == 0) {
        work->job.lacking = g_strdup("the API failed a moment ago");
        return false;
    }
    if (work->queue->fetching >= MAX_FETCHING) {
        work->job.lacking = g_strdup("too many requests wait for the API");
        return false;
    }
    const struct http_request request = {.method = "GET",
                                         .url = url,
                                         .headers = (const char *const *)headers,
                                         .timeout_ms = work->fetch_until_ms - now_ms,
                                         .max_body = FETCH_BODY};
    work->call = http_client_send(jobs->http, &request, on_fetched, work);
    work->queue->fetching++;
    return true;
}

static void work_start(struct work *work)
{
    if (!work->job.reading.update || !work_fetch(work))
        work_apply(work);
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
    struct work *work = data;
    delivery_job_clear(&work->job);
    g_free(work);
}

static bool take_row(struct store_row *row, void *arg)
{
    struct pull *pull = arg;
    size_t length;
    const char *body = store_row_blob(row, 3, &length);
    struct work *work = g_new0(struct work, 1);
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

static void begin(struct delivery_queue *queue, struct work *work)
{
    if (g_hash_table_contains(queue->flying, &work->job.seq)) {
        free_work(work);
        return;
    }
    queue->references++;
    g_hash_table_insert(queue->flying, &work->job.seq, work);
    work_start(work);
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
            struct work *work = g_ptr_array_steal_index(pull->works, 0);
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
        if (((struct work *)value)->call)
            g_ptr_array_add(waiting, value);
    for (guint i = 0; i < waiting->len; i++) {
        http_call_cancel(((struct work *)waiting->pdata[i])->call);
        work_end(waiting->pdata[i]);
    }
    queue_unref(queue);
}
