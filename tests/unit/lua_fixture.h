/* lua_fixture: a run of Lua against a fake runner: services answer at once, hang until they are cancelled, or fail, by
 * their arguments. */
#ifndef TESTS_UNIT_LUA_FIXTURE_H
#define TESTS_UNIT_LUA_FIXTURE_H

#include "tests/unit/support.h"

#include "core/errors.h"
#include "core/json.h"
#include "core/loop.h"
#include "lua/lua_run.h"

#include <glib.h>
#include <string.h>

struct fixture {
    struct loop *loop;
    struct lua_run *run;
    GString *heard;         /* "service args\n" of every call, but log, whose text alone is kept */
    GPtrArray *hanging;     /* ops that wait for their cancel */
    bool interrupt_on_hang; /* the run is cancelled once `hang_count` services hang */
    guint hang_count;
    int interrupt_code;
    /* the last outcome */
    bool done;
    enum lua_result result;
    char *message, *code, *error, *host, *file;
    int line;
    json_t *data, *error_json;
    bool truth;
};

static void fixture_forget(struct fixture *f)
{
    g_clear_pointer(&f->message, g_free);
    g_clear_pointer(&f->code, g_free);
    g_clear_pointer(&f->error, g_free);
    g_clear_pointer(&f->host, g_free);
    g_clear_pointer(&f->file, g_free);
    g_clear_pointer(&f->data, json_decref);
    g_clear_pointer(&f->error_json, json_decref);
    f->line = 0;
    f->done = false;
}

static void fixture_cancelled(void *arg, int code)
{
    op_done(arg, NULL, g_error_new(HIKESHI_ERROR, code, "%s; stopped on db-1", errors_text(code)));
}

static void fixture_hang(struct fixture *f, struct op *op)
{
    g_ptr_array_add(f->hanging, op_ref(op));
    op_on_cancel(op, fixture_cancelled, op);
    if (f->interrupt_on_hang && f->hanging->len == f->hang_count)
        lua_run_interrupt(f->run, f->interrupt_code);
}

static json_t *fixture_result(const char *host, int code, const char *out, const char *err)
{
    return json_pack("{s:s, s:i, s:n, s:s, s:s, s:i, s:b}", "host", host, "code", code, "signal", "stdout", out,
                     "stderr", err, "duration_ms", 3, "truncated", 0);
}

/* By the program's name: echo, fail, lost, hang, bytes. */
static void fixture_ssh(struct fixture *f, json_t *args, struct op *op)
{
    const char *host = json_get_string(args, "host", "?");
    const char *program = json_string_value(json_array_get(json_object_get(args, "argv"), 0));
    const char *word = json_string_value(json_array_get(json_object_get(args, "argv"), 1));
    if (!program || strcmp(program, "echo") == 0)
        op_done(op, fixture_result(host, 0, word ? word : "", ""), NULL);
    else if (strcmp(program, "fail") == 0)
        op_done(op, fixture_result(host, 3, "", "no such thing\n"), NULL);
    else if (strcmp(program, "killed") == 0)
        op_done(
            op,
            json_pack("{s:s, s:n, s:s, s:s, s:s}", "host", host, "code", "signal", "KILL", "stdout", "", "stderr", ""),
            NULL);
    else if (strcmp(program, "lost") == 0)
        op_done(op, NULL, g_error_new(HIKESHI_ERROR, ERROR_LOST, "%s: the connection was lost", host));
    else if (strcmp(program, "hang") == 0)
        fixture_hang(f, op);
    else
        op_done(op, fixture_result(host, 127, "", "not found"), NULL);
}

/* By the URL: …/404 is an answer, …/gone an error. */
static void fixture_http(json_t *args, struct op *op)
{
    const char *url = json_get_string(args, "url", "");
    if (g_str_has_suffix(url, "/gone"))
        op_done(op, NULL, g_error_new(HIKESHI_ERROR, ERROR_UNAVAILABLE, "GET %s: connection refused", url));
    else
        op_done(op,
                json_pack("{s:i, s:{s:s}, s:s, s:s, s:i}", "status", g_str_has_suffix(url, "/404") ? 404 : 200,
                          "headers", "x", "y", "body", "{\"ok\":true}\n", "shown",
                          "GET http://a/404 was answered with status 404: {\"ok\":true}", "duration_ms", 1),
                NULL);
}

static void fixture_service(void *arg, const char *name, json_t *args, struct op *op)
{
    struct fixture *f = arg;
    if (strcmp(name, "item") == 0)
        json_object_set_new(args, "duration_ms", json_integer(0)); /* times are not compared */
    if (strcmp(name, "log") == 0) {
        g_string_append_printf(f->heard, "%s\n", json_get_string(args, "text", "?"));
    } else {
        char *text = json_text(args);
        g_string_append_printf(f->heard, "%s %s\n", name, text);
        g_free(text);
    }
    if (strcmp(name, "secret") == 0)
        op_done(op, json_string("s3cret"), NULL);
    else if (strcmp(name, "http") == 0)
        fixture_http(args, op);
    else if (strcmp(name, "exec") == 0)
        fixture_ssh(f, args, op);
    else if (strcmp(name, "ssh.download") == 0)
        op_done(op,
                json_pack("{s:s, s:i, s:o}", "host", "db-1", "bytes", 3, "content", json_stringn_nocheck("a\0\377", 3)),
                NULL);
    else if (g_str_has_prefix(name, "ssh.") && strcmp(name, "ssh.reachable") != 0)
        fixture_ssh(f, args, op);
    else if (strcmp(name, "ssh.reachable") == 0)
        op_done(op, json_pack("{s:b, s:s}", "reachable", 0, "error", "no route"), NULL);
    else
        op_done(op, json_null(), NULL);
}

static void fixture_step_done(void *arg, const struct lua_outcome *outcome)
{
    struct fixture *f = arg;
    f->done = true;
    f->result = outcome->result;
    f->message = g_strdup(outcome->message);
    f->data = json_incref(outcome->data);
    f->error_json = json_incref(outcome->error);
    f->code = g_strdup(json_get_string(outcome->error, "code", NULL));
    f->error = g_strdup(json_get_string(outcome->error, "message", NULL));
    f->host = g_strdup(json_get_string(outcome->error, "host", NULL));
    f->file = g_strdup(json_get_string(outcome->error, "file", NULL));
    f->line = (int)json_get_integer(outcome->error, "line", 0);
}

static json_t *fixture_json(const char *text)
{
    GError *error = NULL;
    json_t *json = text ? json_parse(text, strlen(text), "fixture", &error) : NULL;
    if (error)
        fail_msg("%s", error->message);
    return json;
}

/* Out of order on purpose. */
#define FIXTURE_INVENTORY                                                                                              \
    "[{\"name\":\"web-1\",\"address\":\"10.0.2.11\",\"labels\":{\"role\":\"web\",\"env\":\"prod\"}},"                  \
    "{\"name\":\"db-1\",\"address\":\"10.0.1.11\",\"aliases\":[\"db-1.prod\"],\"user\":\"ops\","                       \
    "\"labels\":{\"role\":\"db\",\"env\":\"prod\"}},"                                                                  \
    "{\"name\":\"bastion\",\"address\":\"10.0.0.1\",\"jump_only\":true},"                                              \
    "{\"name\":\"db-2\",\"address\":\"10.0.1.12\",\"labels\":{\"role\":\"db\",\"env\":\"stage\"}}]"

static void fixture_open(struct fixture *f, size_t memory_limit)
{
    *f = (struct fixture){.interrupt_code = ERROR_CANCELLED,
                          .heard = g_string_new(NULL),
                          .hanging = g_ptr_array_new_with_free_func((GDestroyNotify)op_unref)};
    f->loop = loop_new();
    json_t *params = fixture_json("{\"host\":\"db-1\",\"keep_days\":7,\"note\":null}");
    json_t *incident = fixture_json("{\"title\":\"Disk\",\"resolved_at\":null,\"alerts\":[{\"name\":\"A\",\"labels\":{"
                                    "\"instance\":\"db-1:9100\"}},{\"name\":\"B\",\"labels\":{}}]}");
    json_t *run = fixture_json("{\"id\":\"run_1\"}");
    json_t *modules =
        fixture_json("{\"hikeshi/lib/disk.lua\":\"local M = {}\\nfunction M.twice(x) return x * 2 end\\nfunction "
                     "M.bad() return nil + 1 end\\nreturn M\",\"hikeshi/lib/net/dns.lua\":\"return "
                     "log('loaded')\",\"hikeshi/lib/loop.lua\":\"return require('loop')\"}");
    json_t *inventory = fixture_json(FIXTURE_INVENTORY);
    json_t *refused = fixture_json("[\"vault-1\"]");
    f->run = lua_run_new(&(struct lua_run_options){.loop = f->loop,
                                                   .memory_limit = memory_limit,
                                                   .service = fixture_service,
                                                   .service_arg = f,
                                                   .params = params,
                                                   .incident = incident,
                                                   .run = run,
                                                   .modules = modules,
                                                   .inventory = inventory,
                                                   .refused_hosts = refused},
                         NULL);
    assert_non_null(f->run);
    json_decref(params);
    json_decref(incident);
    json_decref(run);
    json_decref(modules);
    json_decref(inventory);
    json_decref(refused);
}

static void fixture_close(struct fixture *f)
{
    lua_run_free(f->run);
    fixture_forget(f);
    g_ptr_array_unref(f->hanging);
    g_string_free(f->heard, TRUE);
    loop_free(f->loop);
}

static void fixture_wait(struct fixture *f)
{
    while (!f->done)
        loop_step(f->loop);
}

static struct lua_step fixture_step(const char *text)
{
    return (struct lua_step){
        .id = "s", .file = "runbooks/disk.md", .line = 31, .text = text, .timeout_ms = 60000, .grace_ms = 60000};
}

static void fixture_start(struct fixture *f, const struct lua_step *step)
{
    fixture_forget(f);
    g_string_truncate(f->heard, 0);
    g_ptr_array_set_size(f->hanging, 0);
    lua_run_step(f->run, step, fixture_step_done, f);
}

static void fixture_run(struct fixture *f, const char *text)
{
    struct lua_step step = fixture_step(text);
    fixture_start(f, &step);
    fixture_wait(f);
}

#endif
