/* schedule_plan: which slots of a schedule are to fire now. Pure: no store, no timer. */
#ifndef JOBS_SCHEDULE_PLAN_H
#define JOBS_SCHEDULE_PLAN_H

#include "core/json.h"
#include "jobs/cron.h"

/* A slot that is found later than this was missed (the server was down, the machine slept, its clock was set). */
#define SCHEDULE_LATE_MS (60 * 1000)
/* catch_up: all fires at most so many missed slots, the newest. */
#define SCHEDULE_CATCH_UP_MAXIMUM 100

enum schedule_catch_up { SCHEDULE_SKIP, SCHEDULE_ONCE, SCHEDULE_ALL };
bool schedule_catch_up_from_name(const char *name, enum schedule_catch_up *ret); /* NULL = skip */

struct schedule_plan {
    const struct cron *cron;
    GTimeZone *zone;
    enum schedule_catch_up catch_up;
    int64_t jitter_ms;      /* each slot fires this much later at most */
    const char *id;         /* spreads the jitter */
    const json_t *blackout; /* array of windows (window.h) in which no slot fires; or NULL */
};

/* Whether a slot stands in a blackout: it never fires. */
bool schedule_blacked_out(const struct schedule_plan *plan, int64_t slot);
/* When the slot fires: the slot and its share of the jitter, always the same for the same schedule and slot. */
int64_t schedule_fire_at(const struct schedule_plan *plan, int64_t slot);
/* The slots (GArray of int64_t, rising) after `after_ms` that are to fire at now_ms. *ret_seen is the last slot that is
 * over, fired or not (after_ms when there is none): the next call begins there. */
GArray *schedule_due(const struct schedule_plan *plan, int64_t after_ms, int64_t now_ms, int64_t *ret_seen);

#endif
