/* run_step: applies the table of run_states.def to the rows of steps. */
#include "jobs/run_step.h"
#include "core/clock.h"
#include "core/errors.h"

json_t *run_step_row(struct store_tx *tx, const char *run, const char *step, GError **error)
{
    json_t *row = NULL;
    if (!store_get(tx, SQL_STEP_GET, &row, error, "ss", run, step))
        return NULL;
    if (!row)
        errors_set(error, ERROR_NOT_FOUND, "the run '%s' has no step '%s'", run, step);
    return row;
}

enum step_state run_step_state(const json_t *row)
{
    enum step_state state = STEP_DONE;
    step_state_from_name(json_get_string(row, "state", NULL), &state);
    return state;
}

/* The next state's name, or NULL with ERROR_CONFLICT. */
static const char *move(const json_t *row, enum step_event event, GError **error)
{
    enum step_state state = run_step_state(row), next;
    if (step_state_move(state, event, &next))
        return step_state_name(next);
    errors_set(error, ERROR_CONFLICT, "the step '%s' of the run '%s' is %s: '%s' is not possible",
               json_get_string(row, "id", "?"), json_get_string(row, "run", "?"), step_state_name(state),
               step_event_name(event));
    return NULL;
}

#define RUN_OF(row)  json_get_string(row, "run", NULL)
#define STEP_OF(row) json_get_string(row, "id", NULL)

bool run_step_start(struct store_tx *tx, const json_t *row, int64_t try, GError **error)
{
    const char *next = move(row, STEP_EVENT_START, error);
    return next &&
           store_exec(tx, SQL_STEP_STARTED, NULL, error, "sssii", RUN_OF(row), STEP_OF(row), next, try, clock_now_ms());
}

bool run_step_retry(struct store_tx *tx, const json_t *row, const json_t *problem, GError **error)
{
    const char *next = move(row, STEP_EVENT_RETRY, error);
    return next && store_exec(tx, SQL_STEP_RETRYING, NULL, error, "sssj", RUN_OF(row), STEP_OF(row), next, problem);
}

bool run_step_wait(struct store_tx *tx, const json_t *row, const char *approval, GError **error)
{
    const char *next = move(row, STEP_EVENT_WAIT, error);
    return next && store_exec(tx, SQL_STEP_ASKED, NULL, error, "ssss", RUN_OF(row), STEP_OF(row), next,
                              approval ? approval : json_get_string(row, "approval", NULL));
}

bool run_step_ready(struct store_tx *tx, const json_t *row, bool waited, GError **error)
{
    const char *next = move(row, STEP_EVENT_READY, error);
    return next && store_exec(tx, SQL_STEP_READY, NULL, error, "sssb", RUN_OF(row), STEP_OF(row), next, (int)waited);
}

bool run_step_reset(struct store_tx *tx, const json_t *row, GError **error)
{
    const char *next = move(row, STEP_EVENT_RESET, error);
    return next && store_exec(tx, SQL_STEP_RESET, NULL, error, "sss", RUN_OF(row), STEP_OF(row), next);
}

bool run_step_redo(struct store_tx *tx, const json_t *row, GError **error)
{
    const char *next = move(row, STEP_EVENT_REDO, error);
    return next && store_exec(tx, SQL_STEP_REDO, NULL, error, "sss", RUN_OF(row), STEP_OF(row), next);
}

bool run_step_end(struct store_tx *tx, const json_t *row, enum step_event event, const struct run_step_end *end,
                  GError **error)
{
    const char *next = move(row, event, error);
    return next && store_exec(tx, SQL_STEP_DONE, NULL, error, "sssssjjii", RUN_OF(row), STEP_OF(row), next, end->result,
                              end->reason, end->error, end->output, end->duration_ms, clock_now_ms());
}

static bool leave(struct store_tx *tx, const json_t *row, GError **error)
{
    struct run_step_end end = {.result = "not_reached", .duration_ms = -1};
    switch (run_step_state(row)) {
    case STEP_DONE:
        return true;
    case STEP_PENDING:
    case STEP_WAITING:
        return run_step_end(tx, row, STEP_EVENT_LEAVE, &end, error);
    case STEP_RUNNING:
    case STEP_RETRYING:
    default:
        errors_set(error, ERROR_CONFLICT, "the run '%s' cannot end while its step '%s' is %s", RUN_OF(row),
                   STEP_OF(row), json_get_string(row, "state", "?"));
        return false;
    }
}

bool run_steps_leave(struct store_tx *tx, const char *run, GError **error)
{
    g_autoptr(json_t) rows = NULL;
    if (!store_list(tx, SQL_STEPS_OF_RUN, &rows, error, "s", run))
        return false;
    size_t index;
    json_t *row;
    json_array_foreach (rows, index, row)
        if (!leave(tx, row, error))
            return false;
    return true;
}
