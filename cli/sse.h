/* sse: a reader of server-sent events (the HTML standard's event stream), fed with bytes as they arrive. */
#ifndef CLI_SSE_H
#define CLI_SSE_H

#include <stdbool.h>
#include <stddef.h>

struct sse;

/* One event: `event` is "message" when the stream names none; `id` is the last id seen, or NULL; `data` without its
 * last newline. Borrowed. Returns false to stop: then sse_feed() returns false too. */
typedef bool (*sse_fn)(void *arg, const char *event, const char *id, const char *data);

struct sse *sse_new(sse_fn fn, void *arg);
void sse_free(struct sse *sse);
/* False: the callback wants no more, or one event is larger than LIMIT_RUNNER_BODY_BYTES (sse_overflowed()). */
bool sse_feed(struct sse *sse, const char *bytes, size_t length);
bool sse_overflowed(const struct sse *sse);
const char *sse_last_id(const struct sse *sse); /* NULL before the first id */
void sse_reconnected(struct sse *sse);          /* drops a half-read event; the last id stays */

#endif
