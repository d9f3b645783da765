/* hosts: which hosts a run may touch now: the job's inventory (already reduced to what the runbook may reach), the
 * filter of the step under way, what approvers saw, and limits.max_hosts. Connects to nothing. */
#ifndef RUNNER_HOSTS_H
#define RUNNER_HOSTS_H

#include "core/json.h"
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct hosts {
    const json_t *job;   /* borrowed */
    const char *step;    /* id of the step under way, or NULL */
    GHashTable *scope;   /* names that the step may touch, or NULL: every host of the run */
    GHashTable *touched; /* names that this attempt touched */
    int64_t ceiling;     /* how many it may touch */
    bool exceeded;       /* one more than that was asked for */
};

void hosts_init(struct hosts *hosts, const json_t *job);
void hosts_clear(struct hosts *hosts);

/* The names that a step's `hosts` (a filter, or "$params.NAME") selects, or those of its `host_names`, all of them;
 * sorted; without either, every host of the run.
 * New array. ERROR_PARSE, ERROR_NOT_IN_INVENTORY, ERROR_NOT_ALLOWED. */
json_t *hosts_select(const struct hosts *hosts, const json_t *step, GError **error);
/* Of a step that an earlier run has done on some of its hosts (its `done`), hosts_select() gives the others and this
 * those.
 */
json_t *hosts_select_done(const struct hosts *hosts, const json_t *step, GError **error);
/* From now on hosts_admit() is for this step (borrowed). A step without `hosts` and without `approve` may touch every
 * host of the run. */
bool hosts_enter(struct hosts *hosts, const json_t *step, GError **error);

/* The inventory's host for a name, alias or address, if the step may touch it; counts it. Borrowed.
 * ERROR_NOT_IN_INVENTORY, ERROR_NOT_ALLOWED. */
const json_t *hosts_admit(struct hosts *hosts, const char *text, GError **error);
/* Whether `count` hosts at once would be within limits.max_hosts; ERROR_NOT_ALLOWED, and `exceeded`, when not. */
bool hosts_within_limit(struct hosts *hosts, size_t count, GError **error);

#endif
