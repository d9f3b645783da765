/* plan: which step of a run comes next, and how the run ends: a pure function of the steps' results. Knows no loop, no
 * events, no clock; everything it needs stands in the job, so that a run that waited goes on exactly where it stood. */
#ifndef RUNNER_PLAN_H
#define RUNNER_PLAN_H

#include "core/json.h"
#include <stdbool.h>
#include <stddef.h>

/* How a step ended, as the wire names it. NONE: it has not. */
enum step_result {
    RESULT_NONE,
    RESULT_OK,
    RESULT_FAILED,
    RESULT_SKIPPED,
    RESULT_TIMED_OUT,
    RESULT_CANCELLED,
    RESULT_DENIED,
    RESULT_EXPIRED,
    RESULT_NOT_REACHED,
    RESULT_UNKNOWN,
    RESULT_COUNT
};
const char *step_result_name(enum step_result result); /* NULL for NONE */
enum step_result step_result_from_name(const char *name);
/* Whether another attempt may follow (the step's `attempts` decides). */
bool step_result_retried(enum step_result result);

/* Why a run that is not over goes no further. */
enum plan_stop { PLAN_GOING, PLAN_CANCELLED, PLAN_TIMED_OUT, PLAN_FENCED };

struct plan {
    const json_t *steps; /* the job's; borrowed */
    size_t count;
    enum step_result *results; /* of each step */
    bool closed;               /* the grace is over: no step may start any more */
};

void plan_init(struct plan *plan, const json_t *job);
void plan_clear(struct plan *plan);
const json_t *plan_step(const struct plan *plan, size_t index);

/* The step to run next, or -1. */
ssize_t plan_next(const struct plan *plan, enum plan_stop stop);
/* The first step that will certainly never run though it has no result yet, or -1; *ret_result is what it gets
 * (RESULT_NOT_REACHED, or RESULT_SKIPPED for a handler that nothing called). None while a step is unknown. */
ssize_t plan_leftover(const struct plan *plan, enum plan_stop stop, enum step_result *ret_result);

struct plan_end {
    const char *state, *reason; /* static; reason may be NULL */
    json_t *verified;           /* true, false or null; jansson's constants */
    ssize_t step;               /* the step that decided, or -1 */
};
/* How the run ends when no step is left. cancel_reason: static, for PLAN_CANCELLED. */
struct plan_end plan_conclude(const struct plan *plan, enum plan_stop stop, const char *cancel_reason);

#endif
