/* outbox_private: what outbox.c (rows, channels), outbox_send.c (the sender) and their tests share. */
#ifndef JOBS_OUTBOX_PRIVATE_H
#define JOBS_OUTBOX_PRIVATE_H

#include "jobs/notify/notify.h"
#include "jobs/outbox.h"

/* A live message is edited at most this often while steps end one after the other. */
#define LIVE_DELAY_MS 1000

/* The wait after the first failed try. */
#define BACKOFF_MS 1000

/* A configured channel. */
struct channel {
    const struct notify_kind *kind;
    char *name;
    void *settings;
    int flying;
    int failures;             /* in a row */
    uint64_t paused_until_ms; /* loop time */
};

struct outbox_service {
    struct jobs *jobs;
    GPtrArray *channels; /* struct channel* */
    GHashTable *flying;  /* seq → struct sending */
    GPtrArray *recorded; /* struct sending, flying on until the read that is under way has ended: it may have seen them
                            pending */
    struct loop_timer *timer;
    bool wanted, pulling, closed;
    int64_t backoff_ms;
    int references; /* the owner's, one for each row and read under way */
};

void outbox_channel_free(void *channel);

/* Takes what is due from the store and sends it, until everything is sent, waits for a time, or may not be sent now.
 * Loop thread. */
void outbox_pull(struct outbox_service *service);
/* Looks again after so long, for rows that become due. */
void outbox_arm(struct outbox_service *service, uint64_t after_ms);
/* Ends what is under way; it stays pending. */
void outbox_cancel(struct outbox_service *service);
void outbox_service_unref(struct outbox_service *service);

/* How long to wait after the try number `tries` (from 0): doubles, with a ceiling, and 25 % of jitter either way. */
int64_t outbox_backoff_ms(int64_t base_ms, int64_t tries, uint32_t random);
void outbox_set_backoff_ms(struct outbox_service *service, int64_t backoff_ms);

#endif
