/* feed: what just happened, for live readers (server-sent events, --follow). Published on the loop after the commit.
 *
 * Each event carries the number readers resume from. Slow readers are dropped by the web layer, never waited for. */
#ifndef JOBS_FEED_H
#define JOBS_FEED_H

#include "core/json.h"

struct feed;
struct feed_subscription;
struct feed *feed_new(void);
void feed_free(struct feed *feed);

/* True when nobody listens: publishers may then save the work of making events. */
bool feed_idle(const struct feed *feed);
/* topic: "run:ID" or "incident:ID" or "all". event is borrowed. */
void feed_publish(struct feed *feed, const char *topic, const json_t *event);
struct feed_subscription *feed_subscribe(struct feed *feed, const char *topic,
                                         void (*fn)(void *arg, const json_t *event), void *arg);
void feed_unsubscribe(struct feed_subscription *subscription);

#endif
