/* batch: a lease's events on their way to the server: in order, in batches, each kept until it is acknowledged.
 * Decides when a batch is worth a request; sends nothing itself. */
#ifndef RUNNER_BATCH_H
#define RUNNER_BATCH_H

#include "core/json.h"
#include <stdbool.h>
#include <stdint.h>

struct batch {
    GQueue events; /* struct batch_event, from the oldest that is not acknowledged */
};

void batch_init(struct batch *batch);
void batch_clear(struct batch *batch);
/* Keeps the text of an event. True when it should go now; false when it may wait BATCH_LINGER_MS for company. */
bool batch_add(struct batch *batch, const json_t *event);
/* Forgets everything up to seq. */
void batch_acknowledge(struct batch *batch, int64_t seq);
bool batch_empty(const struct batch *batch);
/* "[event,…]" of the oldest events, bounded in bytes. g_free. */
char *batch_text(const struct batch *batch);

/* The start of a step is nearly always followed by its first command, whose intent then travels in the same request. */
#define BATCH_LINGER_MS 5

#endif
