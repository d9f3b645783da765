/* script: the life of one step on the Lua thread: load, run, unwind, defer functions, commit of `data`, outcome.
 *
 * Engine calls here run outside lua_resume, where the memory ceiling is not enforced (memory.h); whatever could run a
 * user's code is a task. */
#include "lua/script.h"

#include "core/errors.h"
#include "core/limits.h"
#include "lua/branches.h"
#include "lua/call.h"
#include "lua/keep.h"
#include "lua/raise.h"
#include "lua/sandbox.h"
#include "lua/syntax.h"
#include "lua/task.h"

#include <lauxlib.h>
#include <string.h>

#define DESCRIBE_BYTES ((size_t)1024 * 1024)
/* With this many calls under way it is their stack that takes the memory. */
#define DEEP_CALLS 20000

struct script *script_of(lua_State *L)
{
    return *(struct script **)lua_getextraspace(L);
}

bool script_place(lua_State *L, lua_Debug *ret_info, struct place *ret_place)
{
    for (int level = 0; lua_getstack(L, level, ret_info); level++) {
        lua_getinfo(L, "Sl", ret_info);
        if (ret_info->source[0] != '@' || ret_info->currentline <= 0)
            continue; /* a C function, or lua/std, whose chunks are named "=std/…" */
        ret_place->file = ret_info->source + 1;
        g_strlcpy(ret_place->short_file, ret_info->short_src, sizeof ret_place->short_file);
        ret_place->line = ret_info->currentline;
        return true;
    }
    return false;
}

/* Outcome */

static struct lua_outcome *outcome(struct script *script)
{
    return &script->work->outcome;
}

static bool succeeded(const struct script *script)
{
    enum lua_result result = script->work->outcome.result;
    return result == LUA_RESULT_OK || result == LUA_RESULT_FINISHED || result == LUA_RESULT_SKIPPED;
}

static void set_failed(struct script *script, json_t *error)
{
    outcome(script)->result = LUA_RESULT_FAILED;
    json_decref(outcome(script)->error);
    outcome(script)->error = error;
}

static json_t *error_new(int code, const char *message)
{
    return json_pack("{s:s, s:o}", "code", errors_code(code), "message", json_text_value(message, strlen(message)));
}

static void set_place(json_t *error, const char *file, int line)
{
    json_object_set_new(error, "file", json_text_value(file, strlen(file)));
    json_object_set_new(error, "line", json_integer(line));
}

/* "FILE:31: message" said by Lua itself: FILE is shortened there, and both have keys of their own. */
static void strip_place(json_t *error, const struct place *place)
{
    const char *message = json_get_string(error, "message", "");
    int line = place->line;
    const char *names[] = {place->file, place->short_file};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(message, names[i], length) != 0 || message[length] != ':')
            continue;
        char *end;
        guint64 number = g_ascii_strtoull(message + length + 1, &end, 10);
        if (end == message + length + 1 || strncmp(end, ": ", 2) != 0 || number == 0 || number > G_MAXINT)
            continue;
        line = (int)number;
        json_object_set_new(error, "message", json_string(end + 2));
        break;
    }
    set_place(error, place->file, line);
}

/* Lua's own message says too little, and lauxlib's buffers report a refused allocation as plain text. */
static bool ran_out_of_memory(const struct script *script, const struct task *failed)
{
    if (failed->status == LUA_ERRMEM)
        return true;
    return script->memory.refused && lua_type(failed->L, -1) == LUA_TSTRING &&
           strcmp(lua_tostring(failed->L, -1), "not enough memory") == 0;
}

static json_t *memory_error(const struct script *script, struct task *failed, const struct place *place)
{
    char message[RAISE_MEMORY_BYTES + 60];
    lua_Debug info;
    raise_memory_message(script, message);
    if (lua_getstack(failed->L, DEEP_CALLS, &info))
        g_strlcat(message, "; its calls are nested very deeply: a recursion without end?", sizeof message);
    json_t *error = error_new(ERROR_MEMORY, message);
    if (place)
        set_place(error, place->file, place->line);
    return error;
}

/* The error of a failed task as the outcome's JSON. Turning a value into text may run its __tostring: a task of its own
 * does that. */
static json_t *describe(struct script *script, struct task *failed)
{
    lua_Debug info;
    struct place place;
    bool placed = script_place(failed->L, &info, &place);
    lua_State *L = script->L;
    if (ran_out_of_memory(script, failed))
        return memory_error(script, failed, placed ? &place : NULL);

    g_clear_pointer(&script->described, json_decref);
    lua_pushcfunction(L, raise_describe);
    lua_xmove(failed->L, L, 1);
    struct task *task = task_new(script, L, 1, NULL);
    script->memory.limit += DESCRIBE_BYTES; /* the failed task still holds all it had */
    bool done = task_run_alone(script, task) && task->status == LUA_OK;
    script->memory.limit -= DESCRIBE_BYTES;
    task_free(script, task);

    json_t *error = g_steal_pointer(&script->described);
    if (!done || !error) {
        json_decref(error);
        error = error_new(ERROR_LUA, "the error value's own __tostring failed or did not end");
    }
    if (placed && !json_object_get(error, "file"))
        strip_place(error, &place);
    return error;
}

/* Phases */

static void tell_loop(struct script *script, enum mail_kind kind)
{
    bridge_to_loop(script->bridge, mail_new(kind));
}

/* From here on only the end of the grace stops what runs. */
static void enter_grace(struct script *script)
{
    if (script->interrupt.ignore == LEVEL_STOP)
        return;
    script->interrupt.ignore = LEVEL_STOP;
    tell_loop(script, MAIL_GRACE);
}

/* Drops every task where it stands, stops their calls and waits until each has ended: its end says what is known of the
 * host. */
static void unwind(struct script *script)
{
    script->unwinding = true;
    if (script->calls > 0)
        tell_loop(script, MAIL_STOP_CALLS);
    while (script->calls > 0) {
        if (interrupt_pending(&script->interrupt))
            enter_grace(script);
        if (!task_receive(script))
            break;
    }
    script->unwinding = false;
    task_free_all(script);
    if (script->memory.refused)
        lua_gc(script->L, LUA_GCCOLLECT); /* room for the defer functions */
}

static void set_ended_by_script(struct script *script)
{
    outcome(script)->result = script->ending;
    outcome(script)->message = g_steal_pointer(&script->ending_message);
    script->interrupt.ending = false;
}

static void set_interrupted(struct script *script, const struct task *task)
{
    bool timeout = bridge_level_code(script->bridge) == ERROR_TIMEOUT;
    outcome(script)->result = timeout ? LUA_RESULT_TIMED_OUT : LUA_RESULT_CANCELLED;
    json_t *error = error_new(timeout ? ERROR_TIMEOUT : ERROR_CANCELLED,
                              timeout ? "the step's time is over" : "the step was cancelled");
    lua_Debug info;
    struct place place;
    /* A hook's yield steps one instruction back, perhaps onto the chunk's prologue, which counts as line 1. */
    if (script_place(task->L, &info, &place))
        set_place(error, place.file,
                  strcmp(place.file, script->work->file) == 0 ? MAX(place.line, script->work->line) : place.line);
    json_decref(outcome(script)->error);
    outcome(script)->error = error;
}

/* What stopped commands said belongs into the message: "…; stopped on db-1". Known only after unwind(). */
static void add_stop_message(struct script *script)
{
    json_t *error = outcome(script)->error;
    enum lua_result result = outcome(script)->result;
    if (!script->stop_message || (result != LUA_RESULT_CANCELLED && result != LUA_RESULT_TIMED_OUT))
        return;
    char *text = g_strdup_printf("%s: %s", json_get_string(error, "message", ""), script->stop_message);
    json_object_set_new(error, "message", json_text_value(text, strlen(text)));
    if (script->stop_host)
        json_set_string(error, "host", script->stop_host);
    g_free(text);
    g_clear_pointer(&script->stop_message, g_free);
}

/* A defer function's failure fails a step that was fine, and is only logged when the step has failed already. */
static void defer_failed(struct script *script, json_t *error)
{
    if (succeeded(script)) {
        set_failed(script, error);
        enter_grace(script);
        return;
    }
    char *text = g_strdup_printf(
        "a defer function failed: %s:%d: %s", json_get_string(error, "file", script->work->file),
        (int)json_get_integer(error, "line", script->work->line), json_get_string(error, "message", ""));
    call_log_unasked(script, text);
    g_free(text);
    json_decref(error);
}

/* Runs the task to its end; false when it was interrupted. Where Lua cannot yield, an interrupt arrives as an error. */
static bool run_task(struct script *script, struct task *task)
{
    return task_run_until_ended(script, task) && (task->status == LUA_OK || !interrupt_pending(&script->interrupt));
}

static void run_defers(struct script *script)
{
    script->deferring = true;
    while (sandbox_pop_defer(script->L, &script->defers)) {
        struct task *task = task_new(script, script->L, 0, NULL);
        if (run_task(script, task)) {
            if (task->status != LUA_OK)
                defer_failed(script, describe(script, task));
            task_free(script, task);
            continue;
        }
        if (script->interrupt.ignore == LEVEL_STOP) { /* the grace is over */
            call_log_unasked(script, "the grace for defer functions is over; one was stopped");
            unwind(script);
            break;
        }
        set_interrupted(script, task);
        enter_grace(script);
        unwind(script);
        add_stop_message(script);
    }
    if (script->defers > 0) {
        char *text = g_strdup_printf("%u defer functions did not run: the grace is over", script->defers);
        call_log_unasked(script, text);
        g_free(text);
    }
}

static void run_main(struct script *script)
{
    struct task *task = task_new(script, script->L, 0, NULL);
    if (!run_task(script, task)) {
        if (script->interrupt.ending)
            set_ended_by_script(script);
        else
            set_interrupted(script, task);
    } else if (task->status != LUA_OK) {
        set_failed(script, describe(script, task));
    } else {
        script->work->truth = lua_gettop(task->L) > 0 && lua_toboolean(task->L, 1);
    }
    if (!succeeded(script))
        enter_grace(script);
    unwind(script);
    add_stop_message(script);
}

/* Keeps `data` of a step that did not fail; what cannot be kept fails it. */
static void commit_data(struct script *script)
{
    if (!succeeded(script) || script->work->expression)
        return;
    if (!sandbox_push_data(script->L))
        return; /* never looked at */
    struct keep_problem problem;
    json_t *data = keep_data(script->L, -1, &problem);
    lua_pop(script->L, 1);
    if (data) {
        json_decref(script->kept);
        script->kept = data;
        return;
    }
    json_t *error = error_new(problem.code, problem.text);
    set_place(error, script->work->file, script->work->line);
    set_failed(script, error);
}

static void load_and_run(struct script *script)
{
    const struct work *work = script->work;
    sandbox_open(script->L, script);
    if (script->facts->note_branches && !work->expression)
        branches_open(script->L, script);
    int status = syntax_load(script->L, work->text, work->length, work->file, work->line, work->expression);
    if (status != LUA_OK) {
        const char *rest;
        int line = syntax_message_line(lua_tostring(script->L, -1), &rest);
        json_t *error = error_new(ERROR_LUA, rest);
        set_place(error, work->file, line > 0 ? line : work->line);
        set_failed(script, error);
        return;
    }
    run_main(script);
    run_defers(script);
    unwind(script);
    commit_data(script);
}

void script_run(struct bridge *bridge, const struct facts *facts, struct work *work)
{
    struct script script = {.bridge = bridge,
                            .facts = facts,
                            .work = work,
                            .memory = {.limit = facts->memory_limit},
                            .tasks = g_hash_table_new(g_int64_hash, g_int64_equal),
                            .kept = json_incref(work->data)};
    interrupt_init(&script.interrupt, bridge);
    script.L = memory_new_state(&script.memory);
    *(struct script **)lua_getextraspace(script.L) = &script;

    load_and_run(&script);

    lua_close(script.L);
    interrupt_clear(&script.interrupt);
    g_hash_table_destroy(script.tasks);
    g_free(script.ending_message);
    g_free(script.stop_message);
    g_free(script.stop_host);
    json_decref(script.described);
    json_decref(script.checkpoint);
    work->outcome.data = script.kept;
    work->outcome.branches = branches_take(&script);
}
