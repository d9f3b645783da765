/* outbox: a lease's events on their way to the server: in order, in batches, each kept until it is acknowledged.
 * Decides when a batch is worth a request; sends nothing itself. */
#ifndef RUNNER_OUTBOX_H
#define RUNNER_OUTBOX_H

#include "core/json.h"
#include <stdbool.h>
#include <stdint.h>

struct outbox {
    GQueue events; /* struct outbox_event, from the oldest that is not acknowledged */
};

void outbox_init(struct outbox *outbox);
void outbox_clear(struct outbox *outbox);
/* Keeps the text of an event. True when it should go now; false when it may wait OUTBOX_LINGER_MS for company. */
bool outbox_add(struct outbox *outbox, const json_t *event);
/* Forgets everything up to seq. */
void outbox_acknowledge(struct outbox *outbox, int64_t seq);
bool outbox_empty(const struct outbox *outbox);
/* "[event,…]" of the oldest events, bounded in bytes. g_free. */
char *outbox_batch(const struct outbox *outbox);

/* The start of a step is nearly always followed by its first command, whose intent then travels in the same request. */
#define OUTBOX_LINGER_MS 5

#endif
