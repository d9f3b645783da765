/* run_log: what was said about runs, in order: for readers of one run's log, and for the feed, which is the tail of all
 * logs.
 *
 * The feed is fed by reading back what was committed, not by every writer on the side: so nothing is published that was
 * rolled back, nothing is forgotten, and the numbers (events.n) are those that readers resume from. */
#include "core/errors.h"
#include "core/limits.h"
#include "core/log.h"
#include "jobs/feed.h"
#include "jobs/run_private.h"

enum { PAGE_DEFAULT = 1000, PAGE_MAXIMUM = 5000, FEED_PAGE = 500 };

/* The stored event as readers see it. */
static json_t *event_view(const json_t *row)
{
    static const char *const same[] = {"n", "attempt", "seq", "kind", "step", NULL};
    json_t *event = json_object();
    view_copy(event, row, same);
    json_object_set_new(event, "at", view_time(row, "at"));
    json_object_update_missing(event, json_object_get(row, "body_json"));
    if (json_is_string(json_object_get(row, "text")))
        json_object_set(event, "text", json_object_get(row, "text"));
    return event;
}

struct page {
    json_t *items;
    size_t limit, bytes;
    int64_t last;
    bool more; /* there is at least one event after the page */
};

static size_t length_of(const struct store_row *row, int column)
{
    size_t length;
    store_row_blob(row, column, &length);
    return length;
}

static bool take_event(struct store_row *row, void *arg)
{
    struct page *page = arg;
    page->more = json_array_size(page->items) >= page->limit || page->bytes >= LIMIT_LOG_PAGE_BYTES;
    if (page->more)
        return false;
    g_autoptr(json_t) object = store_row_object(row);
    json_array_append_new(page->items, event_view(object));
    page->last = store_row_int(row, 0);
    page->bytes += length_of(row, 7) + length_of(row, 8); /* body_json and text */
    return true;
}

static bool log_job(struct store_tx *tx, struct call *call, GError **error)
{
    const char *id = call_need_string(call->request, "id", error);
    int64_t after = call_integer(call->request, "after", 0, G_MAXINT64);
    int64_t limit = MAX(call_integer(call->request, "limit", PAGE_DEFAULT, PAGE_MAXIMUM), 1);
    g_autoptr(json_t) run = id ? run_row(tx, id, error) : NULL, items = json_array();
    struct page page = {.items = items, .limit = (size_t)limit, .last = after};
    if (!run || !store_query(tx, SQL_RUN_LOG, take_event, &page, error, "sii", id, after, limit + 1))
        return false;
    call->result = json_pack("{s:O, s:I, s:b, s:b}", "items", items, "next", (json_int_t)page.last, "more", page.more,
                             "ended", !page.more && run_state_ended(run_row_state(run)));
    return true;
}

void run_log(struct jobs *jobs, json_t *request, const struct actor *actor, op_done_fn done, void *arg)
{
    call_read(jobs, request, actor, log_job, done, arg);
}

/* --- the feed ------------------------------------------------------------------------------------------------------
 */

struct run_log {
    struct jobs *jobs;
    int64_t position; /* every event up to this n was published, or nobody listened */
    bool reading;     /* a read is under way */
    bool again;       /* something was committed since it began */
    bool skip;        /* the read under way only finds the end */
    int64_t last;     /* what that read found */
    json_t *rows;     /* or these */
};

static bool find_last(struct store_tx *tx, int64_t *ret_last, GError **error)
{
    g_autoptr(json_t) row = NULL;
    if (!store_get(tx, SQL_EVENTS_LAST, &row, error, ""))
        return false;
    *ret_last = json_get_integer(row, "n", 0);
    return true;
}

static bool start_job(struct store_tx *tx, void *arg, GError **error)
{
    struct run_log *log = arg;
    return find_last(tx, &log->position, error);
}

struct run_log *run_log_new(struct jobs *jobs, GError **error)
{
    struct run_log *log = g_new0(struct run_log, 1);
    log->jobs = jobs;
    if (store_sync(jobs->store, start_job, log, error))
        return log;
    g_free(log);
    return NULL;
}

static bool read_job(struct store_tx *tx, void *arg, GError **error)
{
    struct run_log *log = arg;
    g_clear_pointer(&log->rows, json_decref);
    if (log->skip)
        return find_last(tx, &log->last, error);
    return store_list(tx, SQL_EVENTS_AFTER, &log->rows, error, "ii", log->position, (int64_t)FEED_PAGE);
}

/* On its run's topic each event; on the others what people outside that run want to hear of, without its output. */
static void publish(struct feed *feed, const json_t *row)
{
    static const char *const quiet[] = {"output", "command", "host", "data", "run_start", NULL};
    g_autoptr(json_t) event = event_view(row);
    json_object_set_new(event, "run", view_value(row, "run"));
    g_autofree char *run_topic = g_strdup_printf("run:%s", json_get_string(row, "run", ""));
    feed_publish(feed, run_topic, event);
    if (g_strv_contains(quiet, json_get_string(row, "kind", "")))
        return;
    const char *incident = json_get_string(row, "incident", NULL);
    json_set_string(event, "incident", incident);
    if (incident) {
        g_autofree char *topic = g_strdup_printf("incident:%s", incident);
        feed_publish(feed, topic, event);
    }
    feed_publish(feed, "all", event);
}

static void start_read(struct run_log *log);

static void read_done(void *arg, const GError *error)
{
    struct run_log *log = arg;
    log->reading = false;
    if (error) {
        if (errors_of(error) != ERROR_UNAVAILABLE) /* closing */
            log_warn("the live feed fell behind", "error", error->message, NULL);
        return; /* the next commit reads on from the same place */
    }
    size_t index, count = json_array_size(log->rows);
    json_t *row;
    json_array_foreach (log->rows, index, row) {
        publish(log->jobs->feed, row);
        log->position = json_get_integer(row, "n", log->position);
    }
    g_clear_pointer(&log->rows, json_decref);
    /* Somebody may have begun to listen while the end was looked for: then read instead of skipping. */
    bool skipped = log->skip && feed_idle(log->jobs->feed);
    if (skipped)
        log->position = log->last;
    if (log->again || count == FEED_PAGE || (log->skip && !skipped))
        start_read(log);
}

static void start_read(struct run_log *log)
{
    log->reading = true;
    log->again = false;
    log->skip = feed_idle(log->jobs->feed);
    store_read(log->jobs->store, read_job, read_done, log);
}

void run_log_kick(struct run_log *log)
{
    if (log->reading)
        log->again = true;
    else
        start_read(log);
}

void run_log_free(struct run_log *log)
{
    if (!log)
        return;
    json_decref(log->rows);
    g_free(log);
}
