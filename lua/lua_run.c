/* lua_run: the loop's side of a run's Lua: starts the thread, does the service calls it asks for, keeps the times.
 *
 * Knows nothing of lua_State; it and the thread meet only in the bridge. */
#include "lua/lua_run.h"

#include "core/errors.h"
#include "core/limits.h"
#include "lua/bridge.h"
#include "lua/interrupt.h"
#include "lua/script.h"
#include "lua/work.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

/* Enough for 200 nested C calls, Lua's own limit; only what is used becomes memory. */
#define STACK_BYTES (1024 * 1024)
/* How long lua_run_free() waits for a thread that was interrupted in mid-step: it comes back in microseconds or is
 * stuck. */
#define FREE_WAIT_MS 500

static atomic_int abandoned_threads;

/* What the thread owns. Whoever leaves last frees it. */
struct thread {
    struct bridge *bridge;
    struct facts *facts;
    atomic_int left; /* 0 both are there, 1 one side has left */
};

struct lua_run {
    struct loop *loop;
    lua_service_fn service;
    void *service_arg;
    struct bridge *bridge;
    struct thread *thread_side; /* NULL once abandoned */
    pthread_t thread;
    GHashTable *calls; /* of struct call*, the services under way */
    struct loop_timer *deadline, *grace, *stuck_timer;
    bool busy, stuck;
    bool own_part_over; /* MAIL_GRACE came: only defer functions run now */
    int64_t grace_ms;
    char *file;
    int line;
    void (*step_done)(void *arg, const struct lua_outcome *outcome);
    void (*when_done)(void *arg, bool value, const GError *error);
    void *done_arg;
};

/* One service call: the op and who waits for it. */
struct call {
    struct lua_run *run;
    struct op *op;
    uint64_t task;
    unsigned generation;
};

/* The thread */

static void leave_thread(struct thread *thread)
{
    bridge_unref(thread->bridge);
    facts_free(thread->facts);
    g_free(thread);
}

static void *thread_main(void *arg)
{
    struct thread *thread = arg;
    interrupt_unblock_signal();
    for (struct mail *mail; (mail = bridge_take(thread->bridge));) {
        enum mail_kind kind = mail->kind;
        if (kind == MAIL_WORK) {
            struct mail *answer = mail_new(MAIL_OUTCOME);
            answer->work = g_steal_pointer(&mail->work);
            script_run(thread->bridge, thread->facts, answer->work);
            bridge_to_loop(thread->bridge, answer);
        }
        mail_free(mail);
        if (kind == MAIL_QUIT)
            break;
    }
    if (atomic_exchange(&thread->left, 1) == 1) { /* abandoned, and back after all */
        leave_thread(thread);
        atomic_fetch_sub(&abandoned_threads, 1);
    }
    return NULL;
}

/* Signals are the loop's: the thread starts with all of them blocked. */
static int start_thread(struct lua_run *run)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int problem = pthread_create(&run->thread, &attributes, thread_main, run->thread_side);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (problem == 0)
        pthread_setname_np(run->thread, "lua");
    return problem;
}

/* Leaves a thread behind that does not come back. */
static void abandon_thread(struct lua_run *run)
{
    struct thread *thread = g_steal_pointer(&run->thread_side);
    atomic_fetch_add(&abandoned_threads, 1);
    if (atomic_exchange(&thread->left, 1) == 0) {
        pthread_detach(run->thread);
        return;
    }
    pthread_join(run->thread, NULL); /* it has just ended */
    leave_thread(thread);
    atomic_fetch_sub(&abandoned_threads, 1);
}

/* Service calls */

static void answer_call(struct lua_run *run, uint64_t task, unsigned generation, json_t *value, GError *error)
{
    struct mail *mail = mail_new(MAIL_DONE);
    mail->task = task;
    mail->generation = generation;
    mail->value = value;
    mail->error = error;
    bridge_to_thread(run->bridge, mail);
}

static void on_op_done(void *arg, json_t *result, const GError *error)
{
    struct call *call = arg;
    struct lua_run *run = call->run;
    /* The thread gets a copy: whoever did the work may keep looking at its own. */
    answer_call(run, call->task, call->generation, json_deep_copy(result), error ? g_error_copy(error) : NULL);
    g_hash_table_remove(run->calls, call);
    op_unref(call->op);
    g_free(call);
}

static bool may_start(const struct lua_run *run)
{
    enum level level = bridge_level(run->bridge);
    return level == LEVEL_NONE || (level == LEVEL_STOP && run->own_part_over);
}

static void start_call(struct lua_run *run, struct mail *mail)
{
    if (!may_start(run)) { /* it was asked for before the interrupt took hold */
        int code = bridge_level_code(run->bridge);
        answer_call(run, mail->task, mail->generation, NULL,
                    g_error_new_literal(HIKESHI_ERROR, code, "nothing new was started"));
        return;
    }
    struct call *call = g_new0(struct call, 1);
    call->run = run;
    call->task = mail->task;
    call->generation = mail->generation;
    struct op *op = call->op = op_new(on_op_done, call);
    g_hash_table_add(run->calls, call);
    op_ref(op); /* the service may end it at once */
    run->service(run->service_arg, mail->service, mail->value, op);
    op_unref(op);
}

static void cancel_calls(struct lua_run *run, int code)
{
    GPtrArray *ops = g_ptr_array_new_with_free_func((GDestroyNotify)op_unref);
    GHashTableIter iter;
    struct call *call;
    g_hash_table_iter_init(&iter, run->calls);
    while (g_hash_table_iter_next(&iter, (gpointer *)&call, NULL))
        g_ptr_array_add(ops, op_ref(call->op));
    for (guint i = 0; i < ops->len; i++)
        op_cancel(ops->pdata[i], code); /* may end it, which changes the table */
    g_ptr_array_unref(ops);
}

/* Lets go of what does not end; whoever waits is told so. */
static void abandon_calls(struct lua_run *run, bool tell)
{
    GList *calls = g_hash_table_get_keys(run->calls);
    g_hash_table_remove_all(run->calls);
    for (GList *at = calls; at; at = at->next) {
        struct call *call = at->data;
        op_abandon(call->op);
        op_unref(call->op);
        if (tell)
            answer_call(run, call->task, call->generation, NULL,
                        g_error_new_literal(HIKESHI_ERROR, ERROR_CANCELLED, "it did not end within the grace"));
        g_free(call);
    }
    g_list_free(calls);
}

/* Times and interrupts */

static void stop_timers(struct lua_run *run)
{
    loop_timer_stop(run->deadline);
    loop_timer_stop(run->grace);
    loop_timer_stop(run->stuck_timer);
}

static void start_grace(struct lua_run *run)
{
    if (!loop_timer_active(run->grace))
        loop_timer_start(run->grace, (uint64_t)run->grace_ms, 0);
}

static void raise_level(struct lua_run *run, enum level level, int code)
{
    bridge_set_level(run->bridge, level, code);
    interrupt_signal(run->thread);
    bridge_to_thread(run->bridge, mail_new(MAIL_WAKE));
    loop_timer_start(run->stuck_timer, LUA_STUCK_MS, 0);
}

void lua_run_interrupt(struct lua_run *run, int code)
{
    if (!run->busy || bridge_level(run->bridge) != LEVEL_NONE)
        return;
    loop_timer_stop(run->deadline);
    raise_level(run, LEVEL_STOP, code);
    if (run->own_part_over)
        loop_timer_stop(run->stuck_timer); /* the defer functions run on; their grace is counted already */
    else
        cancel_calls(run, code);
    start_grace(run);
}

static void on_deadline(void *arg)
{
    lua_run_interrupt(arg, ERROR_TIMEOUT);
}

static void on_grace_over(void *arg)
{
    struct lua_run *run = arg;
    /* The first reason stands: a thread that is slow to hear of its time-out has timed out all the same. */
    bool stopped = bridge_level(run->bridge) != LEVEL_NONE;
    raise_level(run, LEVEL_GRACE_OVER, stopped ? bridge_level_code(run->bridge) : ERROR_CANCELLED);
    abandon_calls(run, true);
}

/* The end of a step */

static void finish(struct lua_run *run, const struct lua_outcome *outcome, bool truth)
{
    stop_timers(run);
    run->busy = false;
    if (run->step_done) {
        run->step_done(run->done_arg, outcome);
        return;
    }
    GError *error = NULL;
    if (outcome->result != LUA_RESULT_OK) {
        int code = errors_from_code(json_get_string(outcome->error, "code", ""));
        errors_set(&error, code, "%s:%d: %s", json_get_string(outcome->error, "file", run->file),
                   (int)json_get_integer(outcome->error, "line", run->line),
                   json_get_string(outcome->error, "message", "the expression failed"));
    }
    run->when_done(run->done_arg, truth && !error, error);
    g_clear_error(&error);
}

static void on_stuck(void *arg)
{
    struct lua_run *run = arg;
    run->stuck = true;
    bridge_close(run->bridge);
    abandon_thread(run);
    abandon_calls(run, false);
    struct lua_outcome outcome = {.result = LUA_RESULT_FAILED,
                                  .error =
                                      json_pack("{s:s, s:s, s:s, s:i}", "code", errors_code(ERROR_STUCK), "message",
                                                "the step's Lua could not be interrupted and was abandoned", "file",
                                                run->file, "line", run->line)};
    finish(run, &outcome, false); /* may free the run */
    json_decref(outcome.error);
}

static void deliver(void *owner, struct mail *mail)
{
    struct lua_run *run = owner;
    switch (mail->kind) {
    case MAIL_CALL:
        start_call(run, mail);
        break;
    case MAIL_STOP_CALLS:
        cancel_calls(run, ERROR_CANCELLED);
        break;
    case MAIL_GRACE:
        run->own_part_over = true;
        loop_timer_stop(run->deadline);
        if (bridge_level(run->bridge) != LEVEL_GRACE_OVER)
            loop_timer_stop(run->stuck_timer);
        start_grace(run);
        break;
    case MAIL_OUTCOME:
        finish(run, &mail->work->outcome, mail->work->truth); /* may free the run */
        break;
    default:
        g_assert_not_reached();
    }
    mail_free(mail);
}

/* Public */

struct lua_run *lua_run_new(const struct lua_run_options *options, GError **error)
{
    struct lua_run *run = g_new0(struct lua_run, 1);
    run->loop = options->loop;
    run->service = options->service;
    run->service_arg = options->service_arg;
    run->bridge = bridge_new(options->loop, deliver, run);
    run->thread_side = g_new0(struct thread, 1);
    run->thread_side->bridge = bridge_ref(run->bridge);
    run->thread_side->facts = facts_new(options);
    run->calls = g_hash_table_new(NULL, NULL);
    run->deadline = loop_timer_new(options->loop, on_deadline, run);
    run->grace = loop_timer_new(options->loop, on_grace_over, run);
    run->stuck_timer = loop_timer_new(options->loop, on_stuck, run);
    interrupt_install();
    int problem = start_thread(run);
    if (problem == 0)
        return run;
    errors_set(error, ERROR_INTERNAL, "cannot start a thread for the run's Lua: %s", g_strerror(problem));
    leave_thread(g_steal_pointer(&run->thread_side));
    lua_run_free(run);
    return NULL;
}

static void start_work(struct lua_run *run, const struct lua_step *step, const char *expression)
{
    g_assert(!run->busy && !run->stuck);
    g_free(run->file);
    run->file = g_strdup(step->file ? step->file : "step");
    run->line = step->line;
    run->grace_ms = step->grace_ms > 0 ? step->grace_ms : DEFAULT_GRACE_MS;
    run->busy = true;
    run->own_part_over = false;
    bridge_set_level(run->bridge, LEVEL_NONE, 0); /* the thread is idle */
    if (step->timeout_ms > 0)
        loop_timer_start(run->deadline, (uint64_t)step->timeout_ms, 0);
    struct mail *mail = mail_new(MAIL_WORK);
    mail->work = work_new(step, expression);
    bridge_to_thread(run->bridge, mail);
}

void lua_run_step(struct lua_run *run, const struct lua_step *step,
                  void (*done)(void *arg, const struct lua_outcome *outcome), void *arg)
{
    run->step_done = done;
    run->when_done = NULL;
    run->done_arg = arg;
    start_work(run, step, NULL);
}

void lua_run_when(struct lua_run *run, const struct lua_step *step, const char *expression,
                  void (*done)(void *arg, bool value, const GError *error), void *arg)
{
    run->step_done = NULL;
    run->when_done = done;
    run->done_arg = arg;
    start_work(run, step, expression);
}

bool lua_run_stuck(const struct lua_run *run)
{
    return run->stuck;
}

int lua_run_abandoned(void)
{
    return atomic_load(&abandoned_threads);
}

/* Ends the thread: at once when it waits for work, by an interrupt in mid-step. */
static void end_thread(struct lua_run *run)
{
    if (run->busy) {
        bridge_close(run->bridge);
        interrupt_signal(run->thread);
    } else {
        bridge_to_thread(run->bridge, mail_new(MAIL_QUIT));
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += FREE_WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    if (pthread_timedjoin_np(run->thread, NULL, &until) == 0)
        leave_thread(g_steal_pointer(&run->thread_side));
    else
        abandon_thread(run);
}

void lua_run_free(struct lua_run *run)
{
    if (!run)
        return;
    if (run->thread_side)
        end_thread(run);
    bridge_close(run->bridge);
    abandon_calls(run, false);
    loop_timer_free(run->deadline);
    loop_timer_free(run->grace);
    loop_timer_free(run->stuck_timer);
    g_hash_table_destroy(run->calls);
    bridge_unref(run->bridge);
    g_free(run->file);
    g_free(run);
}
