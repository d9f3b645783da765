/* run_state: lookups in the tables of run_states.def. */
#include "jobs/run_state.h"
#include <glib.h>

struct run_move {
    enum run_action action; /* RUN_ACTION_REFUSE where the table is silent */
    enum run_state next;
};

static const struct run_move run_moves[RUN_STATE_COUNT][RUN_EVENT_COUNT] = {
#define RUN_MOVE(FROM, EVENT, TO, ACTION) [RUN_##FROM][RUN_EVENT_##EVENT] = {RUN_ACTION_##ACTION, RUN_##TO},
#include "jobs/run_states.def"
};

struct step_move {
    bool allowed;
    enum step_state next;
};

static const struct step_move step_moves[STEP_STATE_COUNT][STEP_EVENT_COUNT] = {
#define STEP_MOVE(FROM, EVENT, TO) [STEP_##FROM][STEP_EVENT_##EVENT] = {true, STEP_##TO},
#include "jobs/run_states.def"
};

static const char *const run_state_names[] = {
#define RUN_STATE(NAME, name, ended) name,
#include "jobs/run_states.def"
};

static const bool run_states_ended[] = {
#define RUN_STATE(NAME, name, ended) ended,
#include "jobs/run_states.def"
};

static const char *const run_event_names[] = {
#define RUN_EVENT(NAME, name) name,
#include "jobs/run_states.def"
};

static const char *const run_reasons[] = {
#define RUN_REASON(name) name,
#include "jobs/run_states.def"
    NULL,
};

static const char *const step_state_names[] = {
#define STEP_STATE(NAME, name) name,
#include "jobs/run_states.def"
};

static const char *const step_event_names[] = {
#define STEP_EVENT(NAME, name) name,
#include "jobs/run_states.def"
};

static const char *const step_results[] = {
#define STEP_RESULT(name) name,
#include "jobs/run_states.def"
    NULL,
};

enum run_action run_state_move(enum run_state state, enum run_event event, enum run_state *ret_next)
{
    const struct run_move *move = &run_moves[state][event];
    if (move->action != RUN_ACTION_REFUSE)
        *ret_next = move->next;
    return move->action;
}

bool step_state_move(enum step_state state, enum step_event event, enum step_state *ret_next)
{
    const struct step_move *move = &step_moves[state][event];
    if (move->allowed)
        *ret_next = move->next;
    return move->allowed;
}

const char *run_state_name(enum run_state state)
{
    return run_state_names[state];
}

bool run_state_from_name(const char *name, enum run_state *ret_state)
{
    for (int i = 0; i < RUN_STATE_COUNT; i++)
        if (g_strcmp0(run_state_names[i], name) == 0) {
            *ret_state = (enum run_state)i;
            return true;
        }
    return false;
}

bool run_state_ended(enum run_state state)
{
    return run_states_ended[state];
}

const char *run_event_name(enum run_event event)
{
    return run_event_names[event];
}

bool run_event_for_end(enum run_state state, enum run_event *ret_event)
{
    for (int i = 0; i < RUN_EVENT_COUNT; i++) {
        const struct run_move *move = &run_moves[RUN_RUNNING][i];
        if (move->action == RUN_ACTION_END && move->next == state) {
            *ret_event = (enum run_event)i;
            return true;
        }
    }
    return false;
}

const char *step_state_name(enum step_state state)
{
    return step_state_names[state];
}

bool step_state_from_name(const char *name, enum step_state *ret_state)
{
    for (int i = 0; i < STEP_STATE_COUNT; i++)
        if (g_strcmp0(step_state_names[i], name) == 0) {
            *ret_state = (enum step_state)i;
            return true;
        }
    return false;
}

const char *step_event_name(enum step_event event)
{
    return step_event_names[event];
}

bool run_reason_known(const char *reason)
{
    return reason && g_strv_contains(run_reasons, reason);
}

bool step_result_known(const char *result)
{
    return result && g_strv_contains(step_results, result);
}
