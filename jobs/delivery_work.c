/* delivery_work: deliveries after the answer: fetch what the webhook lacks, apply to the incident, match, start runs.
 *
 * Everything that counts is in the database: a delivery is 'received' until its last store job, which ends it together
 * with what it did. Work that a crash interrupts starts again from the delivery; applied_json, start keys and event
 * keys make that harmless. All of it is background for the store, so that intake is never slower for it. */
#include "jobs/delivery_work.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/log.h"
#include "jobs/feed.h"
#include "jobs/outbox.h"
#include "jobs/run.h"
#include <string.h>

#define MAX_FETCHING   100   /* works that wait for an API */
#define FETCH_MS       5000  /* all pages of one incident; then match without the rest */
#define FETCH_PAUSE_MS 10000 /* after a failed fetch the next deliveries do not wait for one */
#define MAX_FAILURES   3
#define FETCH_BODY     (4 * 1024 * 1024)

static bool stopping(const struct delivery_work *work)
{
    return work->queue->service == NULL;
}

static void on_applied(void *arg, const GError *error);
static bool apply(struct store_tx *tx, void *arg, GError **error);

/* True when the fault may lie in the delivery itself and it has failed often enough: it becomes a dead letter. */
static bool give_up(struct delivery_work *work, const GError *error)
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

/* It failed: the delivery is still 'received' and comes again, unless it has failed too often. */
static void work_trouble(struct delivery_work *work, const GError *error)
{
    struct delivery_queue *queue = work->queue;
    if (!queue->service || error->code == ERROR_UNAVAILABLE) { /* that is: the server stops */
        delivery_queue_ended(work);
        return;
    }
    g_autofree char *seq = g_strdup_printf("%" G_GINT64_FORMAT, work->job.seq);
    log_error("delivery not worked on", "delivery", seq, "error", error->message, NULL);
    if (give_up(work, error)) {
        work->job.dead = g_strdup_printf("it could not be worked on: %s", error->message);
        store_write(queue->jobs->store, STORE_BACKGROUND, apply, on_applied, work);
    } else {
        delivery_queue_failed(work);
    }
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

static void after_commit(struct delivery_work *work)
{
    struct jobs *jobs = work->queue->jobs;
    struct delivery_job *job = &work->job;
    run_stopped_all(jobs, job->stopped);
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
    struct delivery_work *work = arg;
    json_decref(work->job.stopped); /* told after the job before */
    work->job.stopped = json_array();
    return delivery_job_start(tx, &work->job, error);
}

static void next_chunk(struct delivery_work *work);

static void on_chunk(void *arg, const GError *error)
{
    struct delivery_work *work = arg;
    if (error) {
        work_trouble(work, error);
        return;
    }
    if (!stopping(work))
        after_commit(work);
    if (work->job.ended || stopping(work))
        delivery_queue_ended(work);
    else
        next_chunk(work);
}

static void next_chunk(struct delivery_work *work)
{
    work->job.next_start = work->job.next_chunk;
    store_write(work->queue->jobs->store, STORE_BACKGROUND, start_chunk, on_chunk, work);
}

static void match_off_loop(void *arg)
{
    struct delivery_work *work = arg;
    delivery_job_match(&work->job);
}

static void on_matched(void *arg)
{
    struct delivery_work *work = arg;
    if (stopping(work))
        delivery_queue_ended(work);
    else
        next_chunk(work);
}

static bool apply(struct store_tx *tx, void *arg, GError **error)
{
    struct delivery_work *work = arg;
    return delivery_job_apply(tx, &work->job, error);
}

static void on_applied(void *arg, const GError *error)
{
    struct delivery_work *work = arg;
    if (error) {
        work_trouble(work, error);
        return;
    }
    if (!stopping(work))
        after_commit(work);
    if (work->job.ended || stopping(work))
        delivery_queue_ended(work);
    else if (work->job.plan)
        next_chunk(work);
    else
        loop_work(work->queue->jobs->loop, match_off_loop, on_matched, work);
}

static void work_apply(struct delivery_work *work)
{
    struct jobs *jobs = work->queue->jobs;
    work->job.rules = work->queue->service->rules;
    work->job.set = jobs->catalog ? catalog_set_ref(catalog_current(jobs->catalog)) : NULL;
    work->job.retry_ms = work->queue->retry_ms;
    store_write(jobs->store, STORE_BACKGROUND, apply, on_applied, work);
}

/* --- what the webhook lacks --- */

static void fetch_failed(struct delivery_work *work, const char *why)
{
    struct delivery_queue *queue = work->queue;
    int64_t *until = g_new(int64_t, 1);
    *until = (int64_t)loop_now_ms(queue->jobs->loop) + FETCH_PAUSE_MS;
    g_hash_table_replace(queue->paused, g_strdup(work->job.source->name), until);
    work->job.lacking = g_strdup(why);
    log_warn("alerts not fetched", "source", work->job.source->name, "incident",
             json_get_string(work->job.reading.update, "key", NULL), "error", why, NULL);
}

static bool work_fetch(struct delivery_work *work);

static void on_fetched(void *arg, const struct http_response *response, const GError *error)
{
    struct delivery_work *work = arg;
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
static bool work_fetch(struct delivery_work *work)
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

void delivery_work_start(struct delivery_work *work)
{
    if (!work->job.reading.update || !work_fetch(work))
        work_apply(work);
}
