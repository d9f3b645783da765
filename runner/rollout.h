/* rollout: how a step goes over many hosts: how many at once, in which waves, and when it starts no more. A pure
 * function of counts; lua/std/each.lua has the same rules. */
#ifndef RUNNER_ROLLOUT_H
#define RUNNER_ROLLOUT_H

#include "core/json.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct rollout {
    size_t count;
    size_t started, ended, failed; /* the user's to count */
    size_t at_once, stop_after;
    size_t canary;     /* hosts of which not one may fail; 0 = none */
    GArray *wave_ends; /* size_t: how many hosts there are up to the end of each wave but the last */
};

/* step: a shell step of a job: "at_once", "canary", "waves" ([5, "25%"]), "stop_after", "max_percent", "effect". A step
 * that only reads goes on after failures unless it says otherwise, one that writes stops at the first. */
void rollout_init(struct rollout *rollout, const json_t *step, size_t count);
void rollout_clear(struct rollout *rollout);
/* Whether the next host may start now. */
bool rollout_may_start(const struct rollout *rollout);

#endif
