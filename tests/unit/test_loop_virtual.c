/* loop, virtual time: order of timers, wall time that follows, other threads' work before any time passes. */
#include "core/clock.h"
#include "core/loop.h"
#include "tests/unit/support.h"
#include <glib.h>
#include <string.h>

#define WALL_MS INT64_C(1767225600000)

struct world {
    struct loop *loop;
    GString *order;
    struct loop_timer *timers[4];
};

struct mark {
    struct world *world;
    const char *name;
};

static void say(void *arg)
{
    struct mark *mark = arg;
    g_string_append_printf(mark->world->order, "%s@%d ", mark->name, (int)loop_now_ms(mark->world->loop));
    assert_int_equal(clock_now_ms(), WALL_MS + (int64_t)loop_now_ms(mark->world->loop));
    assert_int_equal(clock_monotonic_ms(), clock_now_ms());
    if (strcmp(mark->name, "end") == 0)
        loop_stop(mark->world->loop);
}

static void test_timers_fire_in_order_of_time(void **state)
{
    (void)state;
    struct world world = {.loop = loop_new_virtual(WALL_MS), .order = g_string_new(NULL)};
    struct mark marks[] = {{&world, "day"}, {&world, "a"}, {&world, "b"}, {&world, "end"}};
    static const uint64_t after_ms[] = {86400000, 5, 5, 90000000};
    for (size_t i = 0; i < 4; i++) {
        world.timers[i] = loop_timer_new(world.loop, say, &marks[i]);
        loop_timer_start(world.timers[i], after_ms[i], 0);
    }
    loop_timer_start(world.timers[1], 1000, 0); /* again: later */
    loop_run(world.loop);
    assert_string_equal(world.order->str, "b@5 a@1000 day@86400000 end@90000000 ");
    assert_false(loop_timer_active(world.timers[0]));
    for (size_t i = 0; i < 4; i++)
        loop_timer_free(world.timers[i]);
    loop_free(world.loop);
    g_string_free(world.order, TRUE);
    assert_true(clock_now_ms() > WALL_MS); /* real again */
}

static void test_repeating_and_stopped_timers(void **state)
{
    (void)state;
    struct world world = {.loop = loop_new_virtual(WALL_MS), .order = g_string_new(NULL)};
    struct mark tick = {&world, "tick"}, never = {&world, "never"}, end = {&world, "end"};
    struct loop_timer *ticking = loop_timer_new(world.loop, say, &tick),
                      *stopped = loop_timer_new(world.loop, say, &never), *last = loop_timer_new(world.loop, say, &end);
    loop_timer_start(ticking, 10, 20);
    loop_timer_start(stopped, 15, 0);
    loop_timer_stop(stopped);
    loop_timer_start(last, 55, 0);
    loop_run(world.loop);
    assert_string_equal(world.order->str, "tick@10 tick@30 tick@50 end@55 ");
    loop_timer_free(ticking);
    loop_timer_free(stopped);
    loop_timer_free(last);
    loop_free(world.loop);
    g_string_free(world.order, TRUE);
}

static void post_end(void *arg)
{
    say(arg);
}

/* Computes for a while, tells the loop, and is idle: no virtual time passes meanwhile. */
static void *work_elsewhere(void *arg)
{
    struct mark *mark = arg;
    for (volatile int i = 0; i < 20 * 1000 * 1000; i++)
        ;
    loop_post(mark->world->loop, post_end, mark);
    loop_idle(mark->world->loop);
    return NULL;
}

static void test_time_waits_for_other_threads(void **state)
{
    (void)state;
    struct world world = {.loop = loop_new_virtual(WALL_MS), .order = g_string_new(NULL)};
    struct mark late = {&world, "late"}, end = {&world, "end"};
    struct loop_timer *timer = loop_timer_new(world.loop, say, &late);
    loop_timer_start(timer, 1, 0);
    loop_busy(world.loop);
    GThread *thread = g_thread_new("worker", work_elsewhere, &end);
    loop_run(world.loop);
    g_thread_join(thread);
    assert_string_equal(world.order->str, "end@0 ");
    loop_timer_free(timer);
    loop_free(world.loop);
    g_string_free(world.order, TRUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_timers_fire_in_order_of_time),
                                       cmocka_unit_test(test_repeating_and_stopped_timers),
                                       cmocka_unit_test(test_time_waits_for_other_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
