/* schedule_plan: slots to fire, by cron, lateness and catch_up. */
#include "jobs/schedule_plan.h"
#include "jobs/window.h"

static const char *const catch_up_names[] = {
    [SCHEDULE_SKIP] = "skip", [SCHEDULE_ONCE] = "once", [SCHEDULE_ALL] = "all"};

bool schedule_catch_up_from_name(const char *name, enum schedule_catch_up *ret)
{
    *ret = SCHEDULE_SKIP;
    for (size_t i = 0; name && i < G_N_ELEMENTS(catch_up_names); i++)
        if (g_strcmp0(catch_up_names[i], name) == 0) {
            *ret = (enum schedule_catch_up)i;
            return true;
        }
    return name == NULL;
}

bool schedule_blacked_out(const struct schedule_plan *plan, int64_t slot)
{
    size_t index;
    json_t *window;
    json_array_foreach (plan->blackout, index, window)
        if (window_holds(window, plan->zone, slot))
            return true;
    return false;
}

int64_t schedule_fire_at(const struct schedule_plan *plan, int64_t slot)
{
    if (plan->jitter_ms <= 0)
        return slot;
    uint64_t mixed = ((uint64_t)slot / 1000 + g_str_hash(plan->id)) * UINT64_C(0x9e3779b97f4a7c15);
    return slot + (int64_t)((mixed >> 20) % (uint64_t)plan->jitter_ms);
}

/* Keeps what catch_up lets through of the missed slots, and all others. */
static void sift(const struct schedule_plan *plan, GArray *slots, guint missed)
{
    bool fresh = slots->len > missed;
    guint drop = missed;
    if (plan->catch_up == SCHEDULE_ONCE && !fresh && missed > 0)
        drop = missed - 1; /* the newest stands for all */
    else if (plan->catch_up == SCHEDULE_ALL)
        drop = missed > SCHEDULE_CATCH_UP_MAXIMUM ? missed - SCHEDULE_CATCH_UP_MAXIMUM : 0;
    if (drop > 0)
        g_array_remove_range(slots, 0, drop);
}

GArray *schedule_due(const struct schedule_plan *plan, int64_t after_ms, int64_t now_ms, int64_t *ret_seen)
{
    GArray *slots = g_array_new(FALSE, FALSE, sizeof(int64_t));
    guint missed = 0;
    *ret_seen = after_ms;
    for (;;) {
        int64_t slot = cron_next(plan->cron, plan->zone, *ret_seen);
        int64_t fire_at = slot < 0 ? 0 : schedule_fire_at(plan, slot);
        if (slot < 0 || fire_at > now_ms)
            break;
        *ret_seen = slot;
        if (schedule_blacked_out(plan, slot))
            continue;
        g_array_append_val(slots, slot);
        if (now_ms - fire_at > SCHEDULE_LATE_MS)
            missed = slots->len;
    }
    sift(plan, slots, missed);
    return slots;
}
