/* outbox_send: takes rows that are due and sends them, with retry and backoff. What is sent is made from the database
 * at that moment.
 *
 * A row stays 'pending' until its result is committed, so a crash sends it again rather than never. */
#include "core/clock.h"
#include "core/crypto.h"
#include "core/errors.h"
#include "core/log.h"
#include "jobs/incident.h"
#include "jobs/outbox_private.h"
#include "jobs/run.h"
#include <string.h>

#define GIVE_UP_MS     ((int64_t)48 * 3600 * 1000)
#define BACKOFF_MAX_MS (5 * 60 * 1000)
#define PAUSE_MAX_MS   60000
#define TROUBLE_MS     5000
#define MAX_RUNS       30

/* One row on its way out. */
struct sending {
    struct outbox_service *service;
    struct channel *channel;
    json_t *row;
    int64_t seq;
    json_t *incident, *run, *runs, *remote; /* read from the store */
    struct notify_call *call;
    enum notify_outcome outcome;
    int64_t due_ms, pause_ms;
    char *error, *new_remote;
};

void outbox_service_unref(struct outbox_service *service)
{
    if (--service->references > 0)
        return;
    g_hash_table_unref(service->flying);
    g_ptr_array_unref(service->recorded);
    g_ptr_array_unref(service->channels);
    g_free(service);
}

static void sending_free(struct sending *sending)
{
    struct outbox_service *service = sending->service;
    sending->channel->flying--;
    g_hash_table_remove(service->flying, &sending->seq);
    json_decref(sending->row);
    json_decref(sending->incident);
    json_decref(sending->run);
    json_decref(sending->runs);
    json_decref(sending->remote);
    g_free(sending->error);
    g_free(sending->new_remote);
    g_free(sending);
    outbox_pull(service);
    outbox_service_unref(service);
}

static bool record_dead(struct store_tx *tx, const struct sending *sending, GError **error)
{
    const char *incident = json_get_string(sending->row, "incident", NULL);
    if (!store_exec(tx, SQL_OUTBOX_DEAD, NULL, error, "iis", sending->seq, clock_now_ms(), sending->error))
        return false;
    if (!incident)
        return true;
    g_autofree char *text = g_strdup_printf("channel %s was not told: %s", sending->channel->name, sending->error);
    return incident_timeline_add(tx, incident, "notification", "hikeshi", text,
                                 json_get_string(sending->row, "run", NULL), error);
}

static bool record_remote(struct store_tx *tx, const struct sending *sending, GError **error)
{
    const char *incident = json_get_string(sending->row, "incident", NULL);
    if (!sending->new_remote || !incident)
        return true;
    if (!*sending->new_remote)
        return store_exec(tx, SQL_REMOTE_FORGET, NULL, error, "ss", sending->channel->name, incident);
    return store_exec(tx, SQL_REMOTE_SET, NULL, error, "sss", sending->channel->name, incident, sending->new_remote);
}

static bool record(struct store_tx *tx, void *arg, GError **error)
{
    struct sending *sending = arg;
    int64_t changes = 0;
    if (!record_remote(tx, sending, error))
        return false;
    if (sending->outcome == NOTIFY_DEAD)
        return record_dead(tx, sending, error);
    if (sending->outcome == NOTIFY_RETRY)
        return store_exec(tx, SQL_OUTBOX_RETRY, NULL, error, "iiis", sending->seq, sending->due_ms,
                          (int64_t)(sending->pause_ms ? 0 : 1), sending->error);
    if (!store_exec(tx, SQL_OUTBOX_SENT, &changes, error, "iii", sending->seq,
                    json_get_integer(sending->row, "changes", 0), clock_now_ms()))
        return false;
    return changes || store_exec(tx, SQL_OUTBOX_AGAIN, NULL, error, "ii", sending->seq, clock_now_ms() + LIVE_DELAY_MS);
}

static void on_recorded(void *arg, const GError *error)
{
    struct sending *sending = arg;
    struct outbox_service *service = sending->service;
    if (error && !service->closed && error->code != ERROR_UNAVAILABLE) { /* that is: the server stops */
        log_error("outbox not recorded", "error", error->message, NULL);
        loop_timer_start(service->timer, TROUBLE_MS, 0);
    } else {
        service->wanted = true; /* to find the next due time */
    }
    if (service->pulling)
        g_ptr_array_add(service->recorded, sending); /* the row that it read may be older, and would be sent twice */
    else
        sending_free(sending);
}

int64_t outbox_backoff_ms(int64_t base_ms, int64_t tries, uint32_t random)
{
    int64_t ms = base_ms << MIN(tries, 20);
    ms = MIN(ms, (int64_t)BACKOFF_MAX_MS);
    return ms * 3 / 4 + (int64_t)(random % 1000) * ms / 2000; /* 75 % to 125 % */
}

static void plan_retry(struct sending *sending)
{
    struct outbox_service *service = sending->service;
    struct channel *channel = sending->channel;
    uint32_t random;
    crypto_random(&random, sizeof random);
    int64_t now = clock_now_ms(), tries = json_get_integer(sending->row, "tries", 0);
    sending->due_ms =
        now + (sending->pause_ms ? sending->pause_ms : outbox_backoff_ms(service->backoff_ms, tries, random));
    int64_t pause = sending->pause_ms ? sending->pause_ms
                                      : MIN(service->backoff_ms << MIN(channel->failures, 10), (int64_t)PAUSE_MAX_MS);
    channel->failures++;
    channel->paused_until_ms = loop_now_ms(service->jobs->loop) + (uint64_t)pause;
    if (now - json_get_integer(sending->row, "created_at", now) > GIVE_UP_MS)
        sending->outcome = NOTIFY_DEAD;
}

static void on_sent(void *arg, const struct notify_result *result)
{
    struct sending *sending = arg;
    struct jobs *jobs = sending->service->jobs;
    sending->call = NULL;
    sending->outcome = result->outcome;
    sending->pause_ms = result->pause_ms;
    sending->error = g_strdup(result->outcome == NOTIFY_SENT ? NULL : result->error);
    sending->new_remote = g_strdup(result->remote);
    if (result->outcome == NOTIFY_SENT)
        sending->channel->failures = 0;
    else if (result->outcome == NOTIFY_RETRY)
        plan_retry(sending);
    if (sending->outcome != NOTIFY_SENT)
        log_warn(sending->outcome == NOTIFY_DEAD ? "message given up" : "message not sent", "channel",
                 sending->channel->name, "incident", json_get_string(sending->row, "incident", NULL), "error",
                 sending->error, NULL);
    store_write(jobs->store, STORE_NORMAL, record, on_recorded, sending);
}

static void finish_unsendable(struct sending *sending, const char *why)
{
    const struct notify_result result = {.outcome = NOTIFY_DEAD, .error = why};
    on_sent(sending, &result);
}

/* --- what a message is made of --- */

/* Reports with {private=true} are for those who look at the run, not for channels; messages are for their channel. */
static json_t *run_for_channels(struct store_tx *tx, const struct sending *sending, const char *id, GError **error)
{
    json_t *run = run_view(tx, sending->service->jobs->base_url, id, error);
    json_t *reports = json_object_get(run, "reports");
    for (size_t i = json_array_size(reports); i-- > 0;)
        if (json_get_bool(json_array_get(reports, i), "private", false))
            json_array_remove(reports, i);
    json_t *messages = json_object_get(run, "messages");
    for (size_t i = json_array_size(messages); i-- > 0;)
        if (strcmp(json_get_string(json_array_get(messages, i), "channel", ""), sending->channel->name) != 0)
            json_array_remove(messages, i);
    return run;
}

static bool read_runs(struct store_tx *tx, struct sending *sending, GError **error)
{
    const json_t *ids = json_object_get(sending->incident, "runs");
    size_t count = json_array_size(ids), from = count > MAX_RUNS ? count - MAX_RUNS : 0;
    sending->runs = json_array();
    for (size_t i = from; sending->channel->kind->live && i < count; i++) {
        json_t *run = run_for_channels(tx, sending, json_string_value(json_array_get(ids, i)), error);
        if (!run)
            return false;
        json_array_append_new(sending->runs, run);
    }
    return true;
}

static bool gather(struct store_tx *tx, void *arg, GError **error)
{
    struct sending *sending = arg;
    const char *incident = json_get_string(sending->row, "incident", NULL),
               *run = json_get_string(sending->row, "run", NULL);
    if (incident && !(sending->incident = incident_load(tx, incident, error)))
        return false;
    if (incident && !store_get(tx, SQL_REMOTE_GET, &sending->remote, error, "ss", sending->channel->name, incident))
        return false;
    if (run && !sending->channel->kind->live && !(sending->run = run_for_channels(tx, sending, run, error)))
        return false;
    return read_runs(tx, sending, error);
}

static void on_gathered(void *arg, const GError *error)
{
    struct sending *sending = arg;
    struct outbox_service *service = sending->service;
    if (service->closed) {
        sending_free(sending);
        return;
    }
    if (error && error->code == ERROR_NOT_FOUND) { /* retention took what it was about */
        finish_unsendable(sending, error->message);
        return;
    }
    if (error) {
        const struct notify_result result = {.outcome = NOTIFY_RETRY, .error = error->message};
        on_sent(sending, &result);
        return;
    }
    g_autofree char *id = g_strdup_printf("msg_%" G_GINT64_FORMAT, sending->seq);
    const struct notify_message message = {.id = id,
                                           .event = json_get_string(sending->row, "event", ""),
                                           .base_url = service->jobs->base_url,
                                           .incident = sending->incident,
                                           .run = sending->run,
                                           .runs = sending->runs,
                                           .detail = json_object_get(sending->row, "detail_json"),
                                           .remote = json_get_string(sending->remote, "remote", NULL)};
    sending->call =
        sending->channel->kind->send(sending->channel->settings, service->jobs->http, &message, on_sent, sending);
}

static void begin(struct outbox_service *service, struct channel *channel, json_t *row)
{
    int64_t seq = json_get_integer(row, "seq", 0);
    if (g_hash_table_contains(service->flying, &seq) || channel->flying >= channel->kind->max_flying)
        return;
    struct sending *sending = g_new0(struct sending, 1);
    sending->service = service;
    sending->channel = channel;
    sending->row = json_incref(row);
    sending->seq = seq;
    channel->flying++;
    service->references++;
    g_hash_table_insert(service->flying, &sending->seq, sending);
    store_read(service->jobs->store, gather, on_gathered, sending);
}

/* --- taking rows --- */

struct pulled {
    struct outbox_service *service;
    int64_t now_ms, next_due_ms;
    json_t *rows; /* by channel, in the order of service->channels */
};

static bool pull_job(struct store_tx *tx, void *arg, GError **error)
{
    struct pulled *pulled = arg;
    const GPtrArray *channels = pulled->service->channels;
    g_autoptr(json_t) next = NULL;
    for (guint i = 0; i < channels->len; i++) {
        const struct channel *channel = channels->pdata[i];
        json_t *rows = NULL;
        if (!store_list(tx, SQL_OUTBOX_DUE, &rows, error, "sii", channel->name, pulled->now_ms,
                        (int64_t)channel->kind->max_flying * 2))
            return false;
        json_array_append_new(pulled->rows, rows);
    }
    if (!store_get(tx, SQL_OUTBOX_NEXT_DUE, &next, error, "i", pulled->now_ms))
        return false;
    pulled->next_due_ms = json_get_integer(next, "due_at", 0);
    return true;
}

void outbox_arm(struct outbox_service *service, uint64_t after_ms)
{
    loop_timer_start(service->timer, MAX(after_ms, 10), 0);
}

static void begin_all(struct outbox_service *service, const struct pulled *pulled)
{
    uint64_t now = loop_now_ms(service->jobs->loop), wake = 0;
    for (guint i = 0; i < service->channels->len; i++) {
        struct channel *channel = service->channels->pdata[i];
        json_t *rows = json_array_get(pulled->rows, i), *row;
        size_t j;
        if (channel->paused_until_ms > now) {
            if (json_array_size(rows) && (!wake || channel->paused_until_ms - now < wake))
                wake = channel->paused_until_ms - now;
            continue;
        }
        json_array_foreach (rows, j, row)
            begin(service, channel, row);
    }
    int64_t until_due = pulled->next_due_ms ? MAX(pulled->next_due_ms - clock_now_ms(), 0) : 0;
    if (pulled->next_due_ms && (!wake || (uint64_t)until_due < wake))
        wake = (uint64_t)MAX(until_due, 1);
    if (wake)
        outbox_arm(service, wake);
}

static void free_recorded(void *sending, void *arg)
{
    (void)arg;
    sending_free(sending);
}

static void on_pulled(void *arg, const GError *error)
{
    struct pulled *pulled = arg;
    struct outbox_service *service = pulled->service;
    GPtrArray *recorded = service->recorded;
    service->recorded = g_ptr_array_new();
    service->pulling = false;
    if (!service->closed && error) {
        if (error->code != ERROR_UNAVAILABLE)
            log_error("outbox not read", "error", error->message, NULL);
        outbox_arm(service, TROUBLE_MS);
    } else if (!service->closed) {
        begin_all(service, pulled);
        outbox_pull(service);
    }
    g_ptr_array_foreach(recorded, free_recorded, NULL);
    g_ptr_array_unref(recorded);
    json_decref(pulled->rows);
    g_free(pulled);
    outbox_service_unref(service);
}

void outbox_pull(struct outbox_service *service)
{
    if (service->closed || service->pulling || !service->wanted || !service->channels->len)
        return;
    struct pulled *pulled = g_new0(struct pulled, 1);
    pulled->service = service;
    pulled->now_ms = clock_now_ms();
    pulled->rows = json_array();
    service->wanted = false;
    service->pulling = true;
    service->references++;
    store_read(service->jobs->store, pull_job, on_pulled, pulled);
}

void outbox_cancel(struct outbox_service *service)
{
    GHashTableIter each;
    void *value;
    g_autoptr(GPtrArray) calls = g_ptr_array_new();
    g_hash_table_iter_init(&each, service->flying);
    while (g_hash_table_iter_next(&each, NULL, &value))
        if (((struct sending *)value)->call)
            g_ptr_array_add(calls, value);
    for (guint i = 0; i < calls->len; i++) {
        struct sending *sending = calls->pdata[i];
        sending->channel->kind->cancel(sending->call);
        sending_free(sending);
    }
}
