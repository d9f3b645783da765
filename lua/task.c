#include "lua/task.h"

#include "core/errors.h"
#include "lua/raise.h"

#include <lauxlib.h>

struct task *task_new(struct script *script, lua_State *from, int argument_count, struct task *parent)
{
    /* All that can raise (when called from a script) comes before the allocation. */
    lua_State *L = lua_newthread(from);
    int anchor = luaL_ref(from, LUA_REGISTRYINDEX);
    lua_xmove(from, L, argument_count + 1);

    struct task *task = g_new0(struct task, 1);
    task->id = ++script->last_task;
    task->L = L;
    task->anchor = anchor;
    task->argument_count = argument_count;
    task->parent = parent;
    if (parent)
        parent->children++;
    g_hash_table_insert(script->tasks, &task->id, task);
    g_queue_push_tail(&script->ready, task);
    return task;
}

static void clear_call(struct task *task)
{
    json_decref(task->result);
    task->result = NULL;
    g_clear_error(&task->error);
    g_clear_pointer(&task->host, g_free);
}

void task_free(struct script *script, struct task *task)
{
    g_queue_remove(&script->ready, task);
    g_hash_table_remove(script->tasks, &task->id);
    g_queue_clear(&task->ended_children);
    luaL_unref(script->L, LUA_REGISTRYINDEX, task->anchor);
    clear_call(task);
    g_free(task);
}

void task_free_all(struct script *script)
{
    GList *tasks = g_hash_table_get_values(script->tasks);
    for (GList *at = tasks; at; at = at->next)
        task_free(script, at->data);
    g_list_free(tasks);
}

static void ended(struct script *script, struct task *task, int status)
{
    task->state = TASK_ENDED;
    task->status = status;
    struct task *parent = task->parent;
    if (!parent)
        return;
    g_queue_push_tail(&parent->ended_children, task);
    if (parent->state == TASK_JOINING) {
        parent->state = TASK_READY;
        g_queue_push_tail(&script->ready, parent);
    }
}

static void resume(struct script *script, struct task *task)
{
    int argument_count = task->argument_count;
    task->argument_count = 0;
    script->current = task;
    script->memory.enforce = true;
    int status = interrupt_resume(&script->interrupt, task->L, script->L, argument_count);
    script->memory.enforce = false;
    script->current = NULL;
    if (status != LUA_YIELD)
        ended(script, task, status);
}

bool task_run_until_ended(struct script *script, struct task *task)
{
    while (task->state != TASK_ENDED) {
        if (interrupt_pending(&script->interrupt))
            return false;
        struct task *next = g_queue_pop_head(&script->ready);
        if (next)
            resume(script, next);
        else if (!task_receive(script))
            return false;
    }
    return true;
}

bool task_run_alone(struct script *script, struct task *task)
{
    while (task->state != TASK_ENDED) {
        if (interrupt_pending(&script->interrupt))
            return false;
        if (g_queue_remove(&script->ready, task))
            resume(script, task);
        else if (!task_receive(script))
            return false;
    }
    return true;
}

/* Keeps what a stopped command says of its end ("…; stopped on db-1"): the outcome repeats it. */
static void note_stop(struct script *script, const struct task *task, const GError *error)
{
    int code = errors_of(error);
    if (script->stop_message || (code != ERROR_CANCELLED && code != ERROR_TIMEOUT))
        return;
    script->stop_message = g_strdup(error->message);
    script->stop_host = g_strdup(task->host);
}

static void deliver(struct script *script, struct mail *mail)
{
    script->calls--;
    struct task *task = g_hash_table_lookup(script->tasks, &mail->task);
    if (!task || task->generation != mail->generation)
        return;
    if (mail->error && (script->unwinding || interrupt_pending(&script->interrupt)))
        note_stop(script, task, mail->error);
    if (task->state != TASK_CALLING)
        return;
    task->result = g_steal_pointer(&mail->value);
    task->error = g_steal_pointer(&mail->error);
    task->state = TASK_READY;
    if (task != script->current) /* else it waits in call_service() without having yielded */
        g_queue_push_tail(&script->ready, task);
}

bool task_receive(struct script *script)
{
    struct mail *mail = bridge_take(script->bridge);
    if (!mail)
        return false;
    if (mail->kind == MAIL_DONE)
        deliver(script, mail);
    mail_free(mail);
    return true;
}

int task_spawn(lua_State *L)
{
    struct script *script = script_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct task *task = task_new(script, L, lua_gettop(L) - 1, script->current);
    lua_pushinteger(L, (lua_Integer)task->id);
    return 1;
}

/* Moves the outcome of the child that ended first to its parent and lets the child go. */
static int collect(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    struct script *script = script_of(L);
    struct task *child = g_queue_pop_head(&script->current->ended_children);
    lua_pushinteger(L, (lua_Integer)child->id);
    lua_pushboolean(L, child->status == LUA_OK);
    if (child->status == LUA_ERRMEM)
        raise_push_memory(L);
    else if (lua_gettop(child->L) > 0 && lua_checkstack(L, 1)) {
        lua_settop(child->L, child->status == LUA_OK ? 1 : lua_gettop(child->L));
        lua_xmove(child->L, L, 1);
    } else
        lua_pushnil(L);
    script->current->children--;
    task_free(script, child);
    return 3;
}

int task_wait(lua_State *L)
{
    struct task *task = script_of(L)->current;
    if (task->children == 0)
        return 0;
    if (!g_queue_is_empty(&task->ended_children))
        return collect(L, LUA_OK, 0);
    if (!lua_isyieldable(L))
        return raise_misuse(L, "each and parallel cannot be used inside a callback of sort or gsub, or a metamethod");
    task->state = TASK_JOINING;
    return lua_yieldk(L, 0, 0, collect);
}
