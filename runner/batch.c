/* batch: see batch.h. */
#include "runner/batch.h"

#include <string.h>

/* One request: far below LIMIT_RUNNER_BODY_BYTES, which one large event (data, a shell step's output) may need alone.
 */
#define BATCH_BYTES (1024 * 1024)

struct batch_event {
    int64_t seq;
    char *text;
    size_t length;
};

static void event_free(void *data)
{
    struct batch_event *event = data;

    g_free(event->text);
    g_free(event);
}

void batch_init(struct batch *batch)
{
    g_queue_init(&batch->events);
}

void batch_clear(struct batch *batch)
{
    g_queue_clear_full(&batch->events, event_free);
}

/* Kinds that another event follows within the same turn or two, and that nobody waits for. */
static bool kind_lingers(const char *kind)
{
    static const char *const kinds[] = {"run_start", "step_start", "host", "step_end", NULL};

    return g_strv_contains(kinds, kind);
}

bool batch_add(struct batch *batch, const json_t *event)
{
    struct batch_event *entry = g_new0(struct batch_event, 1);

    entry->seq = json_get_integer(event, "seq", 0);
    entry->text = json_text(event);
    entry->length = strlen(entry->text);
    g_queue_push_tail(&batch->events, entry);
    return !kind_lingers(json_get_string(event, "kind", ""));
}

void batch_acknowledge(struct batch *batch, int64_t seq)
{
    struct batch_event *event;

    while ((event = g_queue_peek_head(&batch->events)) && event->seq <= seq)
        event_free(g_queue_pop_head(&batch->events));
}

bool batch_empty(const struct batch *batch)
{
    return batch->events.length == 0;
}

char *batch_text(const struct batch *batch)
{
    GString *text = g_string_new("[");

    for (const GList *link = batch->events.head; link; link = link->next) {
        const struct batch_event *event = link->data;
        if (text->len > 1 && text->len + event->length > BATCH_BYTES)
            break;
        if (text->len > 1)
            g_string_append_c(text, ',');
        g_string_append_len(text, event->text, (gssize)event->length);
    }
    g_string_append_c(text, ']');
    return g_string_free(text, FALSE);
}
