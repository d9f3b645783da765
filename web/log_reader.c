/* log_reader: see log_reader.h.
 *
 * The log in the store is the truth; the feed only says that it grew. A reader that is up to date takes events from the
 * feed directly; as soon as it is not (it just came, or its client reads slowly) it goes back to reading pages, as fast
 * as the client takes them. Numbers (events.n) only rise, so that nothing is sent twice: the subscription begins before
 * the first page, and what both have is dropped. Slow clients cost a page of memory, never an event. */
#include "web/log_reader.h"
#include "core/errors.h"
#include "core/limits.h"
#include "jobs/feed.h"
#include "jobs/run.h"
#include "jobs/token.h"
#include "web/call.h"
#include <string.h>

#define PAGE_EVENTS 100
/* Above this the client is not up to date; a page is about as large as the stream's ring. */
#define QUEUED_BYTES ((size_t)64 * 1024)

/* So long a stream may outlive its token. */
#define LOOK_AGAIN_MS 1000

struct log_readers {
    struct jobs *jobs;
    GHashTable *all;          /* set of struct log_reader* */
    struct loop_timer *timer; /* runs while there are readers: are their tokens still good? */
};

struct log_reader {
    struct log_readers *owner; /* NULL: the reader is over and waits for a read that is under way */
    char *run;
    struct actor actor; /* own strings */
    char *token;        /* its hash */
    enum role role;     /* what the route needs */
    struct server_request *request;
    struct server_stream *stream; /* NULL before the first page */
    struct feed_subscription *subscription;
    json_t *page; /* read, not all sent */
    size_t sent;  /* of the page */
    json_int_t last;
    bool reading; /* a page is under way */
    bool behind;  /* the store has, or may have, more than was read */
    bool ended;   /* the page is the last one: the run has ended */
};

static void reader_free(struct log_reader *reader)
{
    json_decref(reader->page);
    server_request_unref(reader->request);
    g_free((char *)(uintptr_t)reader->actor.kind);
    g_free((char *)(uintptr_t)reader->actor.name);
    g_free((char *)(uintptr_t)reader->actor.via);
    g_free(reader->token);
    g_free(reader->run);
    g_free(reader);
}

static void reader_over(struct log_reader *reader)
{
    feed_unsubscribe(g_steal_pointer(&reader->subscription));
    if (reader->stream != NULL)
        server_stream_end(g_steal_pointer(&reader->stream));
    g_hash_table_remove(reader->owner->all, reader);
    if (g_hash_table_size(reader->owner->all) == 0)
        loop_timer_stop(reader->owner->timer);
    reader->owner = NULL;
    if (!reader->reading)
        reader_free(reader);
}

/* Streams whose token was revoked or has expired end; their clients come back and are told 401. */
static void look_again(void *arg)
{
    struct log_readers *readers = arg;
    g_autoptr(GList) all = g_hash_table_get_keys(readers->all);
    for (GList *link = all; link != NULL; link = link->next) {
        struct log_reader *reader = link->data;
        if (reader->stream != NULL && !route_role_allows(token_role(readers->jobs, reader->token), reader->role))
            reader_over(reader);
    }
}

struct log_readers *log_readers_new(struct jobs *jobs)
{
    struct log_readers *readers = g_new0(struct log_readers, 1);
    readers->jobs = jobs;
    readers->all = g_hash_table_new(NULL, NULL);
    readers->timer = loop_timer_new(jobs->loop, look_again, readers);
    return readers;
}

void log_readers_free(struct log_readers *readers)
{
    if (readers == NULL)
        return;
    g_autoptr(GList) all = g_hash_table_get_keys(readers->all);
    for (GList *link = all; link != NULL; link = link->next)
        reader_over(link->data);
    g_hash_table_unref(readers->all);
    loop_timer_free(readers->timer);
    g_free(readers);
}

static void on_closed(void *arg)
{
    struct log_reader *reader = arg;
    reader->stream = NULL;
    reader_over(reader);
}

/* --- sending
 * ------------------------------------------------------------------------------------------------------------ */

static bool is_name(const char *kind)
{
    return kind[0] != '\0' && kind[strspn(kind, "abcdefghijklmnopqrstuvwxyz_")] == '\0';
}

static void send_event(struct log_reader *reader, const json_t *event)
{
    json_int_t n = json_get_integer(event, "n", 0);
    if (n <= reader->last)
        return;
    reader->last = n;
    const char *kind = json_get_string(event, "kind", "");
    g_autofree char *text = json_text(event), *id = g_strdup_printf("%" JSON_INTEGER_FORMAT, n);
    server_stream_event(reader->stream, is_name(kind) ? kind : NULL, id, text);
}

static bool has_room(const struct log_reader *reader)
{
    return server_stream_queued(reader->stream) < QUEUED_BYTES;
}

static void read_page(struct log_reader *reader);

/* Sends what the client takes now; then goes on reading, ends, or waits for the feed or for the client. */
static void pump(struct log_reader *reader)
{
    for (; reader->page != NULL && reader->sent < json_array_size(reader->page) && has_room(reader); reader->sent++) {
        json_t *event = json_array_get(reader->page, reader->sent);
        json_object_set_new(event, "run", json_string(reader->run)); /* as events of the feed have it */
        send_event(reader, event);
    }
    if (reader->page == NULL || reader->sent < json_array_size(reader->page))
        return;
    if (reader->ended) {
        server_stream_event(reader->stream, "end", NULL, "{}");
        reader_over(reader);
    } else if (reader->behind && !reader->reading) {
        read_page(reader);
    }
}

static void on_drained(void *arg)
{
    pump(arg);
}

static void on_event(void *arg, const json_t *event)
{
    struct log_reader *reader = arg;
    bool up_to_date = reader->stream != NULL && !reader->reading && !reader->behind && has_room(reader) &&
                      reader->sent == json_array_size(reader->page);
    if (!up_to_date) {
        reader->behind = true;
        return;
    }
    send_event(reader, event);
    /* Only the store knows whether that was the run's end. */
    const char *kind = json_get_string(event, "kind", "");
    if (strcmp(kind, "run") == 0 || strcmp(kind, "run_end") == 0) {
        reader->behind = true;
        pump(reader);
    }
}

/* --- reading
 * ------------------------------------------------------------------------------------------------------------ */

static bool open_stream(struct log_reader *reader)
{
    reader->stream = server_stream_new(reader->request, on_closed, reader);
    if (reader->stream != NULL)
        server_stream_on_drained(reader->stream, on_drained);
    return reader->stream != NULL;
}

static void on_page(void *arg, json_t *result, const GError *error)
{
    struct log_reader *reader = arg;
    reader->reading = false;
    if (reader->owner == NULL) {
        reader_free(reader);
        return;
    }
    if (error != NULL && reader->stream == NULL)
        web_call_fail(reader->request, error);
    if (error != NULL || (reader->stream == NULL && !open_stream(reader))) {
        reader_over(reader); /* an open stream ends: its client comes back with Last-Event-ID */
        return;
    }
    json_decref(reader->page);
    reader->page = json_incref(json_object_get(result, "items"));
    reader->sent = 0;
    reader->ended = json_get_bool(result, "ended", false);
    reader->behind |= json_get_bool(result, "more", false);
    pump(reader);
}

static void read_page(struct log_reader *reader)
{
    reader->reading = true;
    reader->behind = false;
    g_autoptr(json_t) request =
        json_pack("{s:s, s:I, s:i}", "id", reader->run, "after", reader->last, "limit", PAGE_EVENTS);
    run_log(reader->owner->jobs, request, &reader->actor, on_page, reader);
}

/* --- the route
 * ---------------------------------------------------------------------------------------------------------- */

static bool wants_stream(const struct server_request *request)
{
    const char *accept = server_header(request, "Accept");
    return accept != NULL && strstr(accept, "text/event-stream") != NULL && strcmp(server_method(request), "GET") == 0;
}

static json_int_t first_after(const struct server_request *request)
{
    const char *text = server_header(request, "Last-Event-ID");
    if (text == NULL)
        text = server_query(request, "after");
    guint64 after = 0;
    return text != NULL && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &after, NULL) ? (json_int_t)after : 0;
}

static guint count_of_token(const struct log_readers *readers, const char *token)
{
    guint count = 0;
    GHashTableIter iter;
    struct log_reader *reader;
    g_hash_table_iter_init(&iter, readers->all);
    while (g_hash_table_iter_next(&iter, (void **)&reader, NULL))
        count += strcmp(reader->token, token) == 0;
    return count;
}

static struct log_reader *reader_new(const struct web_call *call)
{
    struct log_readers *owner = call->web->log_readers;
    struct log_reader *reader = g_new0(struct log_reader, 1);
    reader->owner = owner;
    reader->run = route_param(&call->params, "id");
    if (reader->run == NULL)
        reader->run = g_strdup("");
    reader->actor = (struct actor){.kind = g_strdup(call->actor->kind),
                                   .name = g_strdup(call->actor->name),
                                   .role = call->actor->role,
                                   .via = g_strdup(call->actor->via)};
    reader->token = token_hash(web_call_bearer(call));
    reader->role = call->route->role;
    reader->request = server_request_ref(call->request);
    reader->last = first_after(call->request);
    if (g_hash_table_size(owner->all) == 0)
        loop_timer_start(owner->timer, LOOK_AGAIN_MS, LOOK_AGAIN_MS);
    g_hash_table_add(owner->all, reader);
    return reader;
}

void log_reader_serve(struct web_call *call)
{
    if (!wants_stream(call->request)) {
        web_call_ask(call);
        return;
    }
    struct log_readers *owner = call->web->log_readers;
    struct log_reader *reader = reader_new(call);
    if (count_of_token(owner, reader->token) > LIMIT_SSE_CLIENTS_OF_TOKEN) {
        g_autoptr(GError) error =
            g_error_new(HIKESHI_ERROR, ERROR_BUSY, "this token follows %d logs already", LIMIT_SSE_CLIENTS_OF_TOKEN);
        web_call_fail(call->request, error);
        reader_over(reader);
        return;
    }
    g_autofree char *topic = g_strdup_printf("run:%s", reader->run);
    reader->subscription = feed_subscribe(owner->jobs->feed, topic, on_event, reader);
    read_page(reader);
}
