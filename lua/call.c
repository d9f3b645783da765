#include "lua/call.h"

#include "core/errors.h"
#include "lua/raise.h"
#include "lua/task.h"

#include <string.h>

static void post(struct script *script, uint64_t task, unsigned generation, const char *service, json_t *args)
{
    script->calls++;
    struct mail *mail = mail_new(MAIL_CALL);
    mail->task = task;
    mail->generation = generation;
    mail->service = service;
    mail->value = args;
    bridge_to_loop(script->bridge, mail);
}

static void ask(struct script *script, struct task *task, const char *service, json_t *args)
{
    g_clear_pointer(&task->result, json_decref);
    g_clear_error(&task->error);
    g_free(task->host);
    task->host = g_strdup(json_get_string(args, "host", NULL));
    task->state = TASK_CALLING;
    post(script, task->id, ++task->generation, service, args);
}

void call_log_unasked(struct script *script, const char *text)
{
    post(script, 0, 0, "log", json_pack("{s:o}", "text", json_text_value(text, strlen(text))));
}

int call_service(lua_State *L, const char *service, json_t *args, lua_KContext context, lua_KFunction k)
{
    struct script *script = script_of(L);
    struct task *task = script->current;
    if (script->work->expression) {
        json_decref(args);
        return raise_misuse(L, "%s cannot be used in a 'when' expression", service);
    }
    ask(script, task, service, args);
    if (lua_isyieldable(L))
        return lua_yieldk(L, 0, context, k);
    while (task->state == TASK_CALLING) {
        if (interrupt_pending(&script->interrupt) || !task_receive(script))
            return interrupt_now(L);
    }
    return k(L, LUA_YIELD, context);
}

const GError *call_error(lua_State *L)
{
    return script_of(L)->current->error;
}

json_t *call_result(lua_State *L)
{
    return script_of(L)->current->result;
}

const char *call_host(lua_State *L)
{
    return script_of(L)->current->host;
}

int call_finish(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    const GError *error = call_error(L);
    return error ? raise_error(L, errors_of(error), call_host(L), NULL, "%s", error->message) : 0;
}
