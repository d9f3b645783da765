/* loop_virtual: the timers of a loop whose time is virtual: it stands still while anything is to do, and then jumps to
 * the next timer. Knows no libuv and no threads but one counter; loop.c decides when nothing is to do. */
#ifndef CORE_LOOP_VIRTUAL_H
#define CORE_LOOP_VIRTUAL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* One timer; embedded by its owner and zero at first. */
struct virtual_timer {
    void (*fn)(void *arg);
    void *arg;
    uint64_t due_ms, repeat_ms, order;
    GSequenceIter *at; /* NULL: not started */
};

struct virtual_time;
/* wall_ms: what clock_now_ms() says at the start; it follows from now on, for the whole process. */
struct virtual_time *virtual_time_new(int64_t wall_ms);
/* Wall time is real again. Started timers must have been stopped. */
void virtual_time_free(struct virtual_time *time);

uint64_t virtual_time_now_ms(const struct virtual_time *time);
void virtual_timer_start(struct virtual_time *time, struct virtual_timer *timer, uint64_t after_ms, uint64_t repeat_ms);
void virtual_timer_stop(struct virtual_timer *timer);

/* Runs the timer that is due first, at its time; equal ones in the order of starting. *ret_moved: time passed. False:
 * there is none. */
bool virtual_time_fire(struct virtual_time *time, bool *ret_moved);

#endif
