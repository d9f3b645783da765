/* exec_stop: cancel, time-out and fence: by one table, wherever the run stands; then the grace of the always steps. */
#include "runner/command.h"
#include "runner/exec_private.h"

#include "core/errors.h"
#include "core/limits.h"

void exec_arm_grace(struct exec *exec)
{
    if (!exec->grace_armed)
        loop_timer_start(exec->deadline, DEFAULT_GRACE_MS, 0);
    exec->grace_armed = true;
}

static void stop_nothing(struct exec *exec, int code)
{
    (void)exec;
    (void)code;
}

static void stop_idle(struct exec *exec, int code)
{
    (void)code;
    if (exec->stop == PLAN_FENCED)
        exec_over(exec);
    else
        exec_kick(exec);
}

/* It leaves already: only the fence has more to say. */
static void stop_leaving(struct exec *exec, int code)
{
    (void)code;
    if (exec->stop == PLAN_FENCED)
        exec_over(exec);
}

static void stop_when(struct exec *exec, int code)
{
    lua_run_interrupt(exec->lua, code);
}

static void stop_retry(struct exec *exec, int code)
{
    struct step_outcome outcome = {.result = code == ERROR_TIMEOUT ? RESULT_TIMED_OUT : RESULT_CANCELLED};

    loop_timer_stop(exec->delay);
    if (exec->stop == PLAN_FENCED)
        exec_over(exec);
    else
        exec_end_step(exec, &outcome, NULL);
}

/* How a stop reaches the run, by where it stands. */
static void (*const stops[PHASE_COUNT])(struct exec *exec, int code) = {
    [PHASE_IDLE] = stop_idle,      [PHASE_WHEN] = stop_when,       [PHASE_RUNNING] = exec_interrupt,
    [PHASE_RETRYING] = stop_retry, [PHASE_LEAVING] = stop_leaving, [PHASE_OVER] = stop_nothing,
};

/* A point of no return ends by itself (or by its own timeout); an always step has the grace. */
static bool exec_shielded(const struct exec *exec)
{
    return exec->phase == PHASE_RUNNING && (exec_flag(exec, "cancel_after") || exec_flag(exec, "always"));
}

static void exec_stop(struct exec *exec, enum plan_stop stop, int code)
{
    if (exec->stop != PLAN_GOING || exec->phase == PHASE_OVER)
        return;
    exec->stop = stop;
    loop_timer_stop(exec->deadline);
    if (!exec_shielded(exec))
        stops[exec->phase](exec, code);
    else if (exec_flag(exec, "always"))
        exec_arm_grace(exec);
}

void exec_deadline(void *arg)
{
    struct exec *exec = arg;

    if (!exec->grace_armed) {
        exec_stop(exec, PLAN_TIMED_OUT, ERROR_TIMEOUT);
        return;
    }
    exec->plan.closed = true;
    stops[exec->phase](exec, ERROR_TIMEOUT);
}

/* From a timer, so that whoever asks may stand anywhere, also within emit(). */
void exec_obey(void *arg)
{
    struct exec *exec = arg;

    if (exec->asked != PLAN_FENCED) {
        exec_stop(exec, PLAN_CANCELLED, ERROR_CANCELLED);
    } else if (exec->phase != PHASE_OVER) {
        exec->stop = PLAN_FENCED;
        stops[exec->phase](exec, ERROR_CANCELLED);
        command_cancel_all(exec, ERROR_CANCELLED); /* also those of defer functions, which an interrupt spares */
    }
}

void exec_cancel(struct exec *exec, const char *reason)
{
    if (exec->asked != PLAN_GOING)
        return;
    exec->asked = PLAN_CANCELLED;
    exec->cancel_reason = g_intern_string(reason);
    loop_timer_start(exec->obey, 0, 0);
}

void exec_fence(struct exec *exec)
{
    if (exec->asked == PLAN_FENCED)
        return;
    journal_close(exec->journal);
    exec->asked = PLAN_FENCED;
    loop_timer_start(exec->obey, 0, 0);
}
