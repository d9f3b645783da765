/* fake_ssh: ssh_run for tests of the executor: the first word of a command (or of a script) says what the host answers.
 * Include once, in the test that wants it in place of the real one.
 *
 *   true | false (code 1) | killed (signal) | lost | hang (until cancelled) | say TEXT | unreachable
 *   linger (cancelled, it ends with fake_pool_release()) */
#ifndef TESTS_UNIT_FAKE_SSH_H
#define TESTS_UNIT_FAKE_SSH_H

#include "core/errors.h"
#include "runner/ssh/ssh.h"

#include <string.h>

struct ssh_pool {
    struct loop *loop;
    GString *sent; /* "host:word host:word" */
    json_t *env;   /* of the last command */
    char *sudo;
    struct fake_command *lingering;
};

struct fake_command {
    struct ssh_pool *pool;
    struct op *op;
    struct loop_timer *timer;
    char *host, *word, *text;
    void (*on_output)(void *arg, const char *stream, const char *bytes, size_t length);
    void *arg;
};

static void fake_command_end(struct fake_command *command, json_t *result, GError *error)
{
    struct op *op = command->op;

    loop_timer_free(command->timer);
    g_free(command->host);
    g_free(command->word);
    g_free(command->text);
    g_free(command);
    op_done(op, result, error);
    op_unref(op);
}

static json_t *fake_result(const struct fake_command *command, int code, const char *signal_name)
{
    return json_pack("{s:s, s:o, s:s?, s:s, s:s, s:i, s:b}", "host", command->host, "code",
                     signal_name ? json_null() : json_integer(code), "signal", signal_name, "stdout",
                     command->text ? command->text : "", "stderr", "", "duration_ms", 1, "truncated", 0);
}

static void fake_command_answer(void *arg)
{
    struct fake_command *command = arg;
    const char *word = command->word;

    if (command->text)
        command->on_output(command->arg, "out", command->text, strlen(command->text));
    if (strcmp(word, "lost") == 0)
        fake_command_end(command, NULL,
                         g_error_new(HIKESHI_ERROR, ERROR_LOST, "the connection to %s was lost", command->host));
    else if (strcmp(word, "unreachable") == 0)
        fake_command_end(command, NULL,
                         g_error_new(HIKESHI_ERROR, ERROR_CONNECT, "cannot connect to %s", command->host));
    else if (strcmp(word, "killed") == 0)
        fake_command_end(command, fake_result(command, 0, "KILL"), NULL);
    else if (strcmp(word, "hang") != 0 && strcmp(word, "linger") != 0)
        fake_command_end(command, fake_result(command, strcmp(word, "false") == 0, NULL), NULL);
}

static void fake_command_cancel(void *arg, int code)
{
    struct fake_command *command = arg;

    if (strcmp(command->word, "linger") == 0) {
        command->pool->lingering = command;
        return;
    }
    fake_command_end(command, NULL,
                     g_error_new(HIKESHI_ERROR, code, "%s; stopped on %s", errors_text(code), command->host));
}

void ssh_run(struct ssh_pool *pool, const struct ssh_command *request, struct op *op)
{
    g_autofree char *text = request->script ? g_strndup(request->script, request->script_length)
                                            : g_strdup(json_string_value(json_array_get(request->argv, 0)));
    struct fake_command *command = g_new0(struct fake_command, 1);

    *command = (struct fake_command){.pool = pool,
                                     .op = op_ref(op),
                                     .host = g_strdup(json_string_value(json_object_get(request->host, "name"))),
                                     .word = g_strndup(text, strcspn(text, " \n")),
                                     .text = g_strdup(json_string_value(json_array_get(request->argv, 1))),
                                     .on_output = request->on_output,
                                     .arg = request->arg};
    g_string_append_printf(pool->sent, "%s%s:%s", pool->sent->len ? " " : "", command->host, command->word);
    json_decref(pool->env);
    pool->env = json_incref(request->env);
    g_free(pool->sudo);
    pool->sudo = g_strdup(request->sudo);
    command->timer = loop_timer_new(pool->loop, fake_command_answer, command);
    op_on_cancel(op, fake_command_cancel, command);
    loop_timer_start(command->timer, 0, 0);
}

void ssh_reach(struct ssh_pool *pool, const json_t *host, const json_t *inventory, struct op *op)
{
    (void)pool;
    (void)inventory;
    op_done(op, json_pack("{s:O}", "host", json_object_get(host, "name")), NULL);
}

/* The cancelled command says a last word, as one that is being stopped does, and ends. */
G_GNUC_UNUSED static void fake_pool_release(struct ssh_pool *pool)
{
    struct fake_command *command = g_steal_pointer(&pool->lingering);

    if (!op_abandoned(command->op))
        command->on_output(command->arg, "out", "late", 4);
    fake_command_end(command, NULL, g_error_new(HIKESHI_ERROR, ERROR_CANCELLED, "late; stopped on %s", command->host));
}

static struct ssh_pool *fake_pool_new(struct loop *loop)
{
    struct ssh_pool *pool = g_new0(struct ssh_pool, 1);

    pool->loop = loop;
    pool->sent = g_string_new(NULL);
    return pool;
}

static void fake_pool_free(struct ssh_pool *pool)
{
    g_string_free(pool->sent, TRUE);
    json_decref(pool->env);
    g_free(pool->sudo);
    g_free(pool);
}

#endif
