/* run_state: what a run's state means to the command line. */
#include "cli/live.h"
#include <glib.h>
#include <string.h>

static const struct {
    const char *state;
    bool final;
    int exit_status;
} states[] = {
    {"queued", false, 5},   {"running", false, 5}, {"waiting", false, 5}, {"succeeded", true, 0},  {"failed", true, 1},
    {"cancelled", true, 1}, {"denied", true, 4},   {"expired", true, 4},  {"suppressed", true, 1}, {"unknown", true, 6},
};

int run_exit_status(const char *state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        if (g_strcmp0(states[i].state, state) == 0)
            return states[i].exit_status;
    }
    return 6;
}

bool run_state_is_final(const char *state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        if (g_strcmp0(states[i].state, state) == 0)
            return states[i].final;
    }
    return false;
}
