/* outbox: see outbox.h. */
#include "runner/outbox.h"

#include <string.h>

/* One request: far below LIMIT_RUNNER_BODY_BYTES, which one large event (data, a shell step's output) may need alone.
 */
#define BATCH_BYTES (1024 * 1024)

struct outbox_event {
    int64_t seq;
    char *text;
    size_t length;
};

static void event_free(void *data)
{
    struct outbox_event *event = data;

    g_free(event->text);
    g_free(event);
}

void outbox_init(struct outbox *outbox)
{
    g_queue_init(&outbox->events);
}

void outbox_clear(struct outbox *outbox)
{
    g_queue_clear_full(&outbox->events, event_free);
}

/* Kinds that another event follows within the same turn or two, and that nobody waits for. */
static bool kind_lingers(const char *kind)
{
    static const char *const kinds[] = {"run_start", "step_start", "host", "step_end", NULL};

    return g_strv_contains(kinds, kind);
}

bool outbox_add(struct outbox *outbox, const json_t *event)
{
    struct outbox_event *entry = g_new0(struct outbox_event, 1);

    entry->seq = json_get_integer(event, "seq", 0);
    entry->text = json_text(event);
    entry->length = strlen(entry->text);
    g_queue_push_tail(&outbox->events, entry);
    return !kind_lingers(json_get_string(event, "kind", ""));
}

void outbox_acknowledge(struct outbox *outbox, int64_t seq)
{
    struct outbox_event *event;

    while ((event = g_queue_peek_head(&outbox->events)) && event->seq <= seq)
        event_free(g_queue_pop_head(&outbox->events));
}

bool outbox_empty(const struct outbox *outbox)
{
    return outbox->events.length == 0;
}

char *outbox_batch(const struct outbox *outbox)
{
    GString *batch = g_string_new("[");

    for (const GList *link = outbox->events.head; link; link = link->next) {
        const struct outbox_event *event = link->data;
        if (batch->len > 1 && batch->len + event->length > BATCH_BYTES)
            break;
        if (batch->len > 1)
            g_string_append_c(batch, ',');
        g_string_append_len(batch, event->text, (gssize)event->length);
    }
    g_string_append_c(batch, ']');
    return g_string_free(batch, FALSE);
}
