/* server_stream: server-sent events (WHATWG HTML 9.2) to one client, with a ring that a slow one cannot outgrow.
 *
 * Three owners: the caller, until server_stream_end() or closed(); the exchange, until it is over; and the answer,
 * until libmicrohttpd frees it (before or after the exchange's end, that differs between its versions). With nothing to
 * send the exchange is suspended, so an idle stream costs no turn of the loop. */
#include "core/errors.h"
#include "web/server_private.h"
#include <string.h>

#define RING_BYTES  ((size_t)256 * 1024)
#define RING_FIRST  ((size_t)1024)
#define BLOCK_BYTES ((size_t)16 * 1024)

struct server_stream {
    unsigned references;
    struct server *server; /* NULL when the exchange is over */
    struct MHD_Connection *connection;
    void (*closed)(void *arg); /* NULL when the caller has let go */
    void (*drained)(void *arg);
    void *arg;
    bool suspended, ended, lagged;
    char *ring; /* bytes [head, head + used), wrapping; capacity is a power of two */
    size_t head, used, capacity;
};

static void drop(struct server_stream *stream, unsigned references)
{
    stream->references -= references;
    if (stream->references > 0)
        return;
    g_free(stream->ring);
    g_free(stream);
}

/* --- the ring
 * ----------------------------------------------------------------------------------------------------------- */

static size_t ring_take(struct server_stream *stream, char *to, size_t most)
{
    size_t taken = 0;
    while (taken < most && stream->used > 0) {
        size_t piece = MIN(MIN(most - taken, stream->used), stream->capacity - stream->head);
        memcpy(to + taken, stream->ring + stream->head, piece);
        taken += piece;
        stream->used -= piece;
        stream->head = (stream->head + piece) % stream->capacity;
    }
    if (stream->used == 0)
        stream->head = 0;
    return taken;
}

static void ring_grow(struct server_stream *stream, size_t needed)
{
    size_t capacity = MAX(stream->capacity, RING_FIRST);
    while (capacity < needed)
        capacity *= 2;
    char *ring = g_malloc(capacity);
    size_t used = stream->used;
    if (used > 0)
        ring_take(stream, ring, used);
    g_free(stream->ring);
    stream->ring = ring;
    stream->capacity = capacity;
    stream->head = 0;
    stream->used = used;
}

/* False when the ring would grow over the ceiling; one event alone may be larger (a page of `data`). */
static bool ring_put(struct server_stream *stream, const char *bytes, size_t length, size_t ceiling)
{
    size_t needed = stream->used + length;
    if (needed > ceiling && stream->used > 0)
        return false;
    if (needed > stream->capacity)
        ring_grow(stream, needed);
    size_t tail = (stream->head + stream->used) % stream->capacity;
    size_t first = MIN(length, stream->capacity - tail);
    memcpy(stream->ring + tail, bytes, first);
    memcpy(stream->ring, bytes + first, length - first);
    stream->used = needed;
    return true;
}

/* --- towards libmicrohttpd
 * ------------------------------------------------------------------------------------------------ */

static ssize_t read_stream(void *arg, uint64_t position, char *buffer, size_t most)
{
    (void)position;
    struct server_stream *stream = arg;
    if (stream->used == 0 && !stream->ended && stream->closed != NULL && stream->drained != NULL)
        stream->drained(stream->arg); /* may put events, or end the stream */
    size_t taken = ring_take(stream, buffer, most);
    if (taken > 0)
        return (ssize_t)taken;
    if (stream->ended || stream->server == NULL || stream->server->stopping)
        return MHD_CONTENT_READER_END_OF_STREAM;
    stream->suspended = true;
    MHD_suspend_connection(stream->connection);
    return 0;
}

static void free_stream(void *arg)
{
    drop(arg, 1);
}

static void wake(struct server_stream *stream)
{
    if (!stream->suspended)
        return;
    stream->suspended = false;
    server_resume(stream->server, stream->connection);
}

void stream_release(struct server_stream *stream)
{
    wake(stream);
}

/* Tells the caller, once, and forgets it; returns the references that this gave back. */
static unsigned let_go(struct server_stream *stream)
{
    void (*closed)(void *) = g_steal_pointer(&stream->closed);
    if (closed == NULL)
        return 0;
    closed(stream->arg);
    return 1;
}

void stream_gone(struct server_stream *stream)
{
    g_queue_remove(&stream->server->streams, stream);
    stream->server = NULL;
    stream->connection = NULL;
    stream->suspended = false;
    drop(stream, 1 + let_go(stream));
}

void streams_heartbeat(void *arg)
{
    struct server *server = arg;
    for (GList *link = server->streams.head; link != NULL; link = link->next) {
        struct server_stream *stream = link->data;
        if (stream->used == 0 && !stream->ended && ring_put(stream, ":\n\n", 3, RING_BYTES))
            wake(stream);
    }
}

void streams_farewell(void *arg)
{
    struct server *server = arg;
    GList *next = NULL;
    for (GList *link = server->streams.head; link != NULL; link = next) {
        next = link->next;
        struct server_stream *stream = link->data;
        if (stream->lagged)
            drop(stream, let_go(stream));
    }
}

/* --- towards the caller
 * ----------------------------------------------------------------------------------------------------- */

struct server_stream *server_stream_new(struct server_request *request, void (*closed)(void *arg), void *arg)
{
    struct server *server = request->server;
    if (server_request_gone(request) || server->stopping)
        return NULL;
    if (g_queue_get_length(&server->streams) >= LIMIT_SSE_CLIENTS) {
        server_answer_problem(request, errors_http_status(ERROR_BUSY), errors_code(ERROR_BUSY),
                              "too many streams are open", (const char *const[]){"Retry-After: 10", NULL});
        return NULL;
    }
    struct server_stream *stream = g_new0(struct server_stream, 1);
    stream->references = 3;
    stream->server = server;
    stream->connection = request->connection;
    stream->closed = closed;
    stream->arg = arg;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, stream, free_stream);
    g_assert(response != NULL);
    response_harden(response);
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "X-Accel-Buffering", "no"); /* nginx would hold events back */
    g_queue_push_tail(&server->streams, stream);
    request->stream = stream;
    ring_put(stream, "retry: 2000\n\n", 13, RING_BYTES); /* the first bytes show the client that it is connected */
    request_respond(request, MHD_HTTP_OK, response);
    return stream;
}

/* The client reads too slowly: it gets what is queued and a last word, its owner is told in the next turn of the loop
 * (the caller may be in the middle of a list of subscribers). */
static void drop_laggard(struct server_stream *stream)
{
    static const char last[] = "event: lagged\ndata: {}\n\n";
    stream->lagged = stream->ended = true;
    ring_put(stream, last, sizeof last - 1, G_MAXSIZE);
    loop_timer_start(stream->server->farewell, 0, 0);
}

void server_stream_event(struct server_stream *stream, const char *event, const char *id, const char *data)
{
    if (stream->server == NULL || stream->ended)
        return;
    g_autoptr(GString) text = g_string_sized_new(strlen(data) + 64);
    if (event != NULL)
        g_string_append_printf(text, "event: %s\n", event);
    if (id != NULL)
        g_string_append_printf(text, "id: %s\n", id);
    g_string_append_printf(text, "data: %s\n\n", data);
    if (!ring_put(stream, text->str, text->len, RING_BYTES))
        drop_laggard(stream);
    wake(stream);
}

size_t server_stream_queued(const struct server_stream *stream)
{
    return stream->used;
}

void server_stream_on_drained(struct server_stream *stream, void (*drained)(void *arg))
{
    stream->drained = drained;
}

void server_stream_end(struct server_stream *stream)
{
    stream->ended = true;
    stream->closed = NULL;
    wake(stream);
    drop(stream, 1);
}
