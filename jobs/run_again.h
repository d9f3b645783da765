/* run_again: a new run from an ended one, whole or only where it did not go well.
 *
 * Of a run that goes only where it did not go well, the plan says in each step that changes something what an earlier
 * run has done: "done": {"hosts": {NAME: {"reason","output"}}, "items": [{NAME: reason}…, one for each each()]}. */
#ifndef JOBS_RUN_AGAIN_H
#define JOBS_RUN_AGAIN_H

#include "core/json.h"
#include <glib.h>
#include <stdbool.h>

/* Into a new plan, of what run_start's `done` holds. ERROR_CONFLICT for a step that is not what it was. */
bool run_again_apply(json_t *plan, const json_t *done, GError **error);

#endif
