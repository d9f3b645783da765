/* run_step: the steps of a run as stored: their rows and the one way in which they change. Inside a store job. */
#ifndef JOBS_RUN_STEP_H
#define JOBS_RUN_STEP_H

#include "jobs/run_state.h"
#include "jobs/store/store.h"

/* The step's row, or NULL with ERROR_NOT_FOUND. New reference. */
json_t *run_step_row(struct store_tx *tx, const char *run, const char *step, GError **error);
enum step_state run_step_state(const json_t *row);

/* What stands in a finished step. Borrowed; NULL where there is none. */
struct run_step_end {
    const char *result; /* closed list */
    const char *reason; /* a sentence, or NULL */
    const json_t *error, *output;
    int64_t duration_ms; /* -1 = not known */
};

/* Each applies one event of run_states.def to the step as `row` has it: ERROR_CONFLICT when the table refuses it. */
bool run_step_start(struct store_tx *tx, const json_t *row, int64_t try, GError **error);
bool run_step_retry(struct store_tx *tx, const json_t *row, const json_t *problem, GError **error);
bool run_step_wait(struct store_tx *tx, const json_t *row, const char *approval,
                   GError **error); /* approval NULL: for a time */
bool run_step_ready(struct store_tx *tx, const json_t *row, bool waited, GError **error);
bool run_step_reset(struct store_tx *tx, const json_t *row, GError **error);
bool run_step_redo(struct store_tx *tx, const json_t *row, GError **error); /* forgets its approval: asked again */
/* event: FINISH, LOSE, LEAVE or SETTLE */
bool run_step_end(struct store_tx *tx, const json_t *row, enum step_event event, const struct run_step_end *end,
                  GError **error);

/* The run ends: steps that have not begun end as not_reached. ERROR_CONFLICT when one is still running. */
bool run_steps_leave(struct store_tx *tx, const char *run, GError **error);

#endif
