/* approval_state: lookups in the table of approval_states.def. */
#include "jobs/approval_private.h"

static const struct {
    bool allowed;
    enum approval_state next;
} moves[APPROVAL_STATE_COUNT][APPROVAL_EVENT_COUNT] = {
#define APPROVAL_MOVE(FROM, EVENT, TO) [APPROVAL_##FROM][APPROVAL_EVENT_##EVENT] = {true, APPROVAL_##TO},
#include "jobs/approval_states.def"
};

static const char *const names[] = {
#define APPROVAL_STATE(NAME, name) name,
#include "jobs/approval_states.def"
};

bool approval_state_move(enum approval_state state, enum approval_event event, enum approval_state *ret_next)
{
    bool allowed = moves[state][event].allowed;
    if (allowed)
        *ret_next = moves[state][event].next;
    return allowed;
}

const char *approval_state_name(enum approval_state state)
{
    return names[state];
}

bool approval_state_from_name(const char *name, enum approval_state *ret_state)
{
    for (int i = 0; i < APPROVAL_STATE_COUNT; i++)
        if (g_strcmp0(names[i], name) == 0) {
            *ret_state = (enum approval_state)i;
            return true;
        }
    return false;
}
