/* run_change: the one way in which a run changes its state. Inside a store job: checks the table, writes the row, the
 * event, the incident's timeline and the outbox. Decides nothing: who may do what is its callers'. */
#ifndef JOBS_RUN_CHANGE_H
#define JOBS_RUN_CHANGE_H

#include "jobs/run_state.h"
#include "jobs/store/store.h"

enum run_verified { RUN_VERIFIED_NULL = -1, RUN_VERIFIED_FALSE = 0, RUN_VERIFIED_TRUE = 1 };

struct run_change {
    enum run_event event;
    const char *reason;         /* END and MARK: from the closed list, or NULL */
    const char *message;        /* END: a sentence more, or NULL */
    enum run_verified verified; /* END */
    int64_t wake_at;            /* PARK: when to go on by itself; 0 = people decide */
    int64_t lease_until;        /* START */
    const char *actor;          /* shown in the timeline; NULL = "hikeshi" */
    const char *text;           /* why, for the timeline: "waits for …"; NULL = made from the new state */
};

/* The run's row without its large columns, or NULL with ERROR_NOT_FOUND. New reference. */
json_t *run_row(struct store_tx *tx, const char *id, GError **error);
enum run_state run_row_state(const json_t *row);

/* Applies one event to the run as `row` has it (stale afterwards). ERROR_CONFLICT when the table refuses it. */
bool run_change(struct store_tx *tx, const json_t *row, const struct run_change *change, GError **error);

/* Adds an event of the server's own to the run's log. Takes body. */
bool run_record(struct store_tx *tx, const json_t *row, const char *kind, const char *step, json_t *body,
                GError **error);
/* Adds an entry to the incident's timeline, if the run has an incident. */
bool run_tell(struct store_tx *tx, const json_t *row, const char *kind, const char *actor, const char *text,
              GError **error);

#endif
