/* loop_virtual: see the header. */
#include "core/loop_virtual.h"
#include "core/clock.h"

struct virtual_time {
    GSequence *timers; /* of struct virtual_timer, by due_ms and order */
    uint64_t now_ms, last_order;
    int64_t wall_ms; /* at now_ms 0 */
};

struct virtual_time *virtual_time_new(int64_t wall_ms)
{
    struct virtual_time *time = g_new0(struct virtual_time, 1);
    time->timers = g_sequence_new(NULL);
    time->wall_ms = wall_ms;
    clock_set_fake(wall_ms);
    return time;
}

void virtual_time_free(struct virtual_time *time)
{
    if (time == NULL)
        return;
    g_sequence_free(time->timers);
    g_free(time);
    clock_set_fake(-1);
}

uint64_t virtual_time_now_ms(const struct virtual_time *time)
{
    return time->now_ms;
}

static int compare(const void *left, const void *right, void *unused)
{
    (void)unused;
    const struct virtual_timer *a = left, *b = right;
    if (a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

void virtual_timer_start(struct virtual_time *time, struct virtual_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    virtual_timer_stop(timer);
    timer->due_ms = time->now_ms + after_ms;
    timer->repeat_ms = repeat_ms;
    timer->order = ++time->last_order;
    timer->at = g_sequence_insert_sorted(time->timers, timer, compare, NULL);
}

void virtual_timer_stop(struct virtual_timer *timer)
{
    if (timer->at != NULL)
        g_sequence_remove(timer->at);
    timer->at = NULL;
}

bool virtual_time_fire(struct virtual_time *time, bool *ret_moved)
{
    if (g_sequence_is_empty(time->timers))
        return false;
    struct virtual_timer *timer = g_sequence_get(g_sequence_get_begin_iter(time->timers));
    *ret_moved = timer->due_ms > time->now_ms;
    time->now_ms = timer->due_ms;
    clock_set_fake(time->wall_ms + (int64_t)time->now_ms);
    virtual_timer_stop(timer);
    if (timer->repeat_ms > 0)
        virtual_timer_start(time, timer, timer->repeat_ms, timer->repeat_ms);
    timer->fn(timer->arg); /* may free it */
    return true;
}
