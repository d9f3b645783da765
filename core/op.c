/* op: the one bookkeeping of asynchronous work: first end wins, cancel once, references. Knows no loop. */
#include "core/op.h"
#include "core/errors.h"

struct op {
    unsigned references;
    op_done_fn done; /* NULL once it was called or the owner went away */
    void *done_arg;
    op_cancel_fn cancel;
    void *cancel_arg;
    bool ended;
    bool cancelling;
    bool abandoned;
};

struct op *op_new(op_done_fn done, void *arg)
{
    struct op *op = g_new0(struct op, 1);
    op->references = 1;
    op->done = done;
    op->done_arg = arg;
    return op;
}

struct op *op_ref(struct op *op)
{
    op->references++;
    return op;
}

void op_unref(struct op *op)
{
    if (op == NULL || --op->references > 0)
        return;
    g_free(op);
}

void op_on_cancel(struct op *op, op_cancel_fn cancel, void *arg)
{
    op->cancel = cancel;
    op->cancel_arg = arg;
}

void op_done(struct op *op, json_t *result, GError *error)
{
    if (!op->ended) {
        op->ended = true;
        op->cancel = NULL;
        op_done_fn done = op->done;
        op->done = NULL;
        op_ref(op); /* done may drop the last reference */
        if (done != NULL)
            done(op->done_arg, result, error);
        op_unref(op);
    }
    json_decref(result);
    g_clear_error(&error);
}

void op_cancel(struct op *op, int code)
{
    if (op->ended || op->cancelling)
        return;
    op->cancelling = true;
    if (op->cancel != NULL) {
        op->cancel(op->cancel_arg, code);
        return;
    }
    op_done(op, NULL, g_error_new_literal(HIKESHI_ERROR, code, errors_text(code)));
}

void op_abandon(struct op *op)
{
    op->done = NULL;
    op->abandoned = true;
    op_cancel(op, ERROR_CANCELLED);
}

bool op_ended(const struct op *op)
{
    return op->ended;
}

bool op_abandoned(const struct op *op)
{
    return op->abandoned;
}
