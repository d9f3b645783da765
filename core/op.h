/* op: one asynchronous operation: started once, done exactly once, cancellable.
 *
 * Reference counted, single threaded (the loop's). The starter owns one reference; the machinery that does the work
 * holds another until it calls op_done(). The first op_done() wins, later ones are dropped, so a late callback is
 * harmless. */
#ifndef CORE_OP_H
#define CORE_OP_H

#include "core/json.h"
#include <glib.h>
#include <stdbool.h>

struct op;

/* Called once. `result` (maybe NULL) and `error` (NULL on success) are borrowed until it returns. */
typedef void (*op_done_fn)(void *arg, json_t *result, const GError *error);

struct op *op_new(op_done_fn done, void *arg);
struct op *op_ref(struct op *op);
void op_unref(struct op *op);

/* What op_cancel() and op_abandon() run to stop the machinery. Set after starting; NULL clears it. `code` is why:
 * ERROR_CANCELLED or ERROR_TIMEOUT. The machinery then ends with op_done() soon (it may first prove that it stopped).
 */
typedef void (*op_cancel_fn)(void *arg, int code);
void op_on_cancel(struct op *op, op_cancel_fn cancel, void *arg);

/* Ends the op: takes `result` and `error` (either may be NULL). Dropped (and freed) when the op has ended. References
 * are untouched: the machinery calls op_unref() for its own after op_done(). */
void op_done(struct op *op, json_t *result, GError *error);

/* Asks the machinery to stop; done still comes, once. Without a cancel function the op ends at once with `code`. */
void op_cancel(struct op *op, int code);

/* The owner goes away: asks the machinery to stop; done will never come. */
void op_abandon(struct op *op);

bool op_ended(const struct op *op);
/* The owner went away: nothing that it handed over with the op (other callbacks, their arg) may be used any more. */
bool op_abandoned(const struct op *op);

#endif
