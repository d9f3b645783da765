/* approval_private: what the approval_*.c files and the run_*.c files share. Inside store jobs. */
#ifndef JOBS_APPROVAL_PRIVATE_H
#define JOBS_APPROVAL_PRIVATE_H

#include "jobs/approval.h"
#include "jobs/catalog.h"

enum approval_state {
#define APPROVAL_STATE(NAME, name) APPROVAL_##NAME,
#include "jobs/approval_states.def"
    APPROVAL_STATE_COUNT
};

enum approval_event {
#define APPROVAL_EVENT(NAME) APPROVAL_EVENT_##NAME,
#include "jobs/approval_states.def"
    APPROVAL_EVENT_COUNT
};

/* False: the event means nothing in this state any more, and *ret_next is not set. */
bool approval_state_move(enum approval_state state, enum approval_event event, enum approval_state *ret_next);
const char *approval_state_name(enum approval_state state);
bool approval_state_from_name(const char *name, enum approval_state *ret_state);

/* A runner's event said that a step waits: makes the request and parks the run; or ends the run as failed when the
 * step's policy does not exist. row: run_row(). */
bool approval_request(struct store_tx *tx, const struct catalog_set *set, const json_t *row, const json_t *event,
                      GError **error);

/* Asks again about a step whose request (approval: its row) is void now. *ret_id (g_free) is NULL when the run failed
 * instead. */
bool approval_renew(struct store_tx *tx, const struct catalog_set *set, const json_t *row, const json_t *approval,
                    char **ret_id, GError **error);
/* The digest as it would be if the request (approval: its row, inputs_json included) were made now; *ret_digest
 * (g_free) is NULL when the policy is gone. */
bool approval_current_digest(struct store_tx *tx, const struct catalog_set *set, const json_t *approval,
                             char **ret_digest, GError **error);
/* Ends a request that waits: TIMEOUT. Inside a store job. */
bool approval_expire(struct store_tx *tx, const json_t *approval, GError **error);

/* v1:sha256:HEX over the canonical text of what would happen and who may allow it. facts:
 * {"commit","step_text","params", "hosts","data","shows","inputs","policy"}. g_free. */
char *approval_digest(const json_t *facts);

/* How many of each need entry the approving decisions fill, each person counted once, as well as can be:
 * [{"count","got","from"}]. *ret_met: every entry is full. New reference. */
json_t *approval_count(const json_t *teams, const json_t *policy, const json_t *decisions, bool *ret_met);

/* The request in product shape from its row. New reference, or NULL with error. */
json_t *approval_view(struct store_tx *tx, const struct catalog_set *set, const char *id, GError **error);

#endif
