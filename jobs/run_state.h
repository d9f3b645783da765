/* run_state: the states of runs and steps and what may follow what, from run_states.def. Pure: knows no store, no time.
 */
#ifndef JOBS_RUN_STATE_H
#define JOBS_RUN_STATE_H

#include <stdbool.h>

enum run_state {
#define RUN_STATE(NAME, name, ended) RUN_##NAME,
#include "jobs/run_states.def"
    RUN_STATE_COUNT
};

enum run_event {
#define RUN_EVENT(NAME, name) RUN_EVENT_##NAME,
#include "jobs/run_states.def"
    RUN_EVENT_COUNT
};

enum run_action {
    RUN_ACTION_REFUSE,
    RUN_ACTION_START,
    RUN_ACTION_QUEUE,
    RUN_ACTION_PARK,
    RUN_ACTION_MARK,
    RUN_ACTION_END
};

enum step_state {
#define STEP_STATE(NAME, name) STEP_##NAME,
#include "jobs/run_states.def"
    STEP_STATE_COUNT
};

enum step_event {
#define STEP_EVENT(NAME, name) STEP_EVENT_##NAME,
#include "jobs/run_states.def"
    STEP_EVENT_COUNT
};

/* What follows. REFUSE: the event means nothing in this state, and *ret_next is not set. */
enum run_action run_state_move(enum run_state state, enum run_event event, enum run_state *ret_next);
/* False: refused, and *ret_next is not set. */
bool step_state_move(enum step_state state, enum step_event event, enum step_state *ret_next);

const char *run_state_name(enum run_state state);
bool run_state_from_name(const char *name, enum run_state *ret_state);
bool run_state_ended(enum run_state state);
const char *run_event_name(enum run_event event);
/* The event that ends a run in this state; false for states that a runner may not end a run in. */
bool run_event_for_end(enum run_state state, enum run_event *ret_event);

const char *step_state_name(enum step_state state);
bool step_state_from_name(const char *name, enum step_state *ret_state);
const char *step_event_name(enum step_event event);

bool run_reason_known(const char *reason);
bool step_result_known(const char *result);

#endif
