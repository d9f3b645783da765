/* journal: see journal.h. Waits are called from a timer of zero, never from within journal_add() or
 * journal_acknowledge(), so that an emitter which acknowledges at once (hikeshi run) does not recurse. */
#include "runner/journal.h"

#include "core/clock.h"

struct journal_wait {
    struct journal *journal;
    int64_t seq;
    void (*fn)(void *arg);
    void *arg;
    GList link;
};

struct journal {
    void (*emit)(void *arg, json_t *event);
    void *arg;
    struct loop_timer *wake;
    GQueue waits; /* by seq, then in order of asking */
    int64_t last, acknowledged;
    bool closed;
};

static bool journal_due(const struct journal *journal, const struct journal_wait *wait)
{
    return !journal->closed && wait->seq <= journal->acknowledged;
}

static void journal_dispatch(void *arg)
{
    struct journal *journal = arg;
    struct journal_wait *wait = g_queue_peek_head(&journal->waits);

    if (!wait || !journal_due(journal, wait))
        return;
    /* One a turn: its function may free the journal, add waits or cancel others. */
    loop_timer_start(journal->wake, 0, 0);
    g_queue_unlink(&journal->waits, &wait->link);
    void (*fn)(void *) = wait->fn;
    void *fn_arg = wait->arg;
    g_free(wait);
    fn(fn_arg);
}

struct journal *journal_new(struct loop *loop, void (*emit)(void *arg, json_t *event), void *arg)
{
    struct journal *journal = g_new0(struct journal, 1);

    journal->emit = emit;
    journal->arg = arg;
    journal->wake = loop_timer_new(loop, journal_dispatch, journal);
    g_queue_init(&journal->waits);
    return journal;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    struct journal_wait *wait;
    while ((wait = g_queue_peek_head(&journal->waits)))
        journal_wait_cancel(wait);
    loop_timer_free(journal->wake);
    g_free(journal);
}

int64_t journal_add(struct journal *journal, const char *kind, json_t *event)
{
    if (journal->closed) {
        json_decref(event);
        return 0;
    }
    int64_t seq = ++journal->last;
    json_object_set_new(event, "seq", json_integer(seq));
    json_object_set_new(event, "at", json_integer(clock_now_ms()));
    json_object_set_new(event, "kind", json_string(kind));
    journal->emit(journal->arg, event);
    json_decref(event);
    return seq;
}

void journal_acknowledge(struct journal *journal, int64_t seq)
{
    if (seq <= journal->acknowledged)
        return;
    journal->acknowledged = MIN(seq, journal->last);
    loop_timer_start(journal->wake, 0, 0);
}

void journal_close(struct journal *journal)
{
    journal->closed = true;
}

int64_t journal_last(const struct journal *journal)
{
    return journal->last;
}

int64_t journal_in_flight(const struct journal *journal)
{
    return journal->last - journal->acknowledged;
}

struct journal_wait *journal_wait(struct journal *journal, int64_t seq, void (*fn)(void *arg), void *arg)
{
    struct journal_wait *wait = g_new0(struct journal_wait, 1);
    GList *before = journal->waits.tail;

    *wait = (struct journal_wait){.journal = journal, .seq = seq, .fn = fn, .arg = arg, .link = {.data = wait}};
    while (before && ((struct journal_wait *)before->data)->seq > seq)
        before = before->prev;
    if (before)
        g_queue_insert_after_link(&journal->waits, before, &wait->link);
    else
        g_queue_push_head_link(&journal->waits, &wait->link);
    if (journal_due(journal, wait))
        loop_timer_start(journal->wake, 0, 0);
    return wait;
}

void journal_wait_cancel(struct journal_wait *wait)
{
    if (!wait)
        return;
    g_queue_unlink(&wait->journal->waits, &wait->link);
    g_free(wait);
}
