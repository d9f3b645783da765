/* services: what a step's Lua may ask of the world (lua/services.def), each one function: host rules first, then an
 * event or an effect. Every effect waits for the acknowledgement of what was said before it. */
#include "runner/exec_private.h"

#include "core/crypto.h"
#include "core/errors.h"
#include "core/limits.h"
#include "runner/command.h"
#include "runner/http.h"
#include "runner/output.h"

#include <string.h>

/* A sentence on an incident; channels cut far earlier. */
#define NOTE_BYTES (16 * 1024)

/* A service that waits for a time, an acknowledgement, or another op. */
struct pause {
    struct exec *exec;
    GList link; /* in exec->pauses */
    struct op *op;
    struct loop_timer *timer;
    struct journal_wait *wait;
    struct op *inner;
    const json_t *host; /* ssh.reachable */
    json_t *request;    /* http */
};

static void pause_free(struct pause *pause)
{
    g_queue_unlink(&pause->exec->pauses, &pause->link);
    loop_timer_free(pause->timer);
    journal_wait_cancel(pause->wait);
    op_on_cancel(pause->op, NULL, NULL);
    op_unref(pause->op);
    if (pause->inner)
        op_unref(pause->inner);
    json_decref(pause->request);
    g_free(pause);
}

/* Ends the service; takes result and error. */
static void pause_end(struct pause *pause, json_t *result, GError *error)
{
    struct op *op = op_ref(pause->op);

    pause_free(pause);
    op_done(op, result, error);
    op_unref(op);
}

static void pause_cancel(void *arg, int code)
{
    struct pause *pause = arg;

    if (pause->inner)
        op_cancel(pause->inner, code);
    else
        pause_end(pause, NULL, g_error_new_literal(HIKESHI_ERROR, code, errors_text(code)));
}

static struct pause *pause_new(struct exec *exec, struct op *op)
{
    struct pause *pause = g_new0(struct pause, 1);

    *pause = (struct pause){.exec = exec, .op = op_ref(op), .link = {.data = pause}};
    g_queue_push_tail_link(&exec->pauses, &pause->link);
    op_on_cancel(op, pause_cancel, pause);
    return pause;
}

static void pause_over(void *arg)
{
    struct pause *pause = arg;

    pause->wait = NULL; /* it has just been called, or there was none */
    pause_end(pause, json_null(), NULL);
}

/* Ends op with null once everything up to seq is stored. */
void services_end_when_stored(struct exec *exec, struct op *op, int64_t seq)
{
    struct pause *pause = pause_new(exec, op);

    pause->wait = journal_wait(exec->journal, seq, pause_over, pause);
}

/* Ends op with null, at once unless too many events are in flight. */
static void end_when_room(struct exec *exec, struct op *op)
{
    if (journal_in_flight(exec->journal) < LIMIT_EVENTS_IN_FLIGHT)
        op_done(op, json_null(), NULL);
    else
        services_end_when_stored(exec, op, journal_last(exec->journal) - LIMIT_EVENTS_IN_FLIGHT + 1);
}

static void fail(struct op *op, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void fail(struct op *op, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    GError *error = g_error_new_valist(HIKESHI_ERROR, code, format, arguments);
    va_end(arguments);
    op_done(op, NULL, error);
}

/* ---- ssh ---- */

static const json_t *admit(struct exec *exec, const json_t *args, struct op *op)
{
    GError *error = NULL;
    const json_t *host = hosts_admit(&exec->hosts, json_get_string(args, "host", ""), &error);

    if (!host)
        op_done(op, NULL, error);
    return host;
}

static void service_ssh_run(struct exec *exec, json_t *args, struct op *op)
{
    struct command_request request = {
        .host = admit(exec, args, op),
        .argv = json_object_get(args, "argv"),
        .options = json_object_get(args, "opts"),
    };

    if (!request.host)
        return;
    if (json_array_size(request.argv) == 0)
        fail(op, ERROR_INVALID, "run: the command has no words");
    else
        command_start(exec, &request, op);
}

static void service_ssh_script(struct exec *exec, json_t *args, struct op *op)
{
    const json_t *text = json_object_get(args, "text");
    struct command_request request = {
        .host = admit(exec, args, op),
        .script = json_string_value(text),
        .script_length = json_string_length(text),
        .shell = json_get_string(args, "shell", "sh"),
        .options = json_object_get(args, "opts"),
    };

    if (!request.host)
        return;
    if (request.script)
        command_start(exec, &request, op);
    else
        fail(op, ERROR_INVALID, "script: the text is missing");
}

static void transfer(struct exec *exec, const json_t *args, const struct command_request *kind, struct op *op)
{
    struct command_request request = *kind;

    request.host = admit(exec, args, op);
    request.path = json_get_string(args, "path", NULL);
    request.options = json_object_get(args, "opts");
    if (!request.host)
        return;
    if (request.path)
        command_start(exec, &request, op);
    else
        fail(op, ERROR_INVALID, "the file's path is missing");
}

static void service_ssh_upload(struct exec *exec, json_t *args, struct op *op)
{
    const struct command_request kind = {.does = COMMAND_UPLOADS, .content = json_object_get(args, "bytes")};

    if (json_is_string(kind.content))
        transfer(exec, args, &kind, op);
    else
        fail(op, ERROR_INVALID, "upload: the bytes are missing");
}

static void service_ssh_download(struct exec *exec, json_t *args, struct op *op)
{
    const struct command_request kind = {.does = COMMAND_DOWNLOADS};

    transfer(exec, args, &kind, op);
}

static void reach_done(void *arg, json_t *result, const GError *error)
{
    json_t *answer = json_pack("{s:b}", "reachable", error == NULL);

    (void)result;
    json_set_string(answer, "error", error ? error->message : NULL);
    if (error && errors_of(error) == ERROR_CANCELLED) {
        json_decref(answer);
        pause_end(arg, NULL, g_error_copy(error));
        return;
    }
    pause_end(arg, answer, NULL);
}

static void reach_go(void *arg)
{
    struct pause *pause = arg;

    pause->wait = NULL;
    pause->inner = op_new(reach_done, pause);
    struct op *inner = op_ref(pause->inner);
    const struct world *world = &pause->exec->world;
    world->reach(world->arg, pause->host, json_object_get(pause->exec->options.job, "inventory"), inner);
    op_unref(inner);
}

static void service_ssh_reachable(struct exec *exec, json_t *args, struct op *op)
{
    const json_t *host = admit(exec, args, op);

    if (!host)
        return;
    struct pause *pause = pause_new(exec, op);
    pause->host = host;
    pause->wait = journal_wait(exec->journal, journal_last(exec->journal), reach_go, pause);
}

/* ---- this machine, HTTP, secrets ---- */

static void service_exec(struct exec *exec, json_t *args, struct op *op)
{
    struct command_request request = {
        .host = exec->local_host,
        .argv = json_object_get(args, "argv"),
        .options = json_object_get(args, "opts"),
        .does = COMMAND_LOCAL,
    };

    if (json_array_size(request.argv) == 0)
        fail(op, ERROR_INVALID, "exec: the command has no words");
    else
        command_start(exec, &request, op);
}

static void http_over(void *arg, json_t *result, const GError *error)
{
    struct pause *pause = arg;
    g_autofree char *name = http_name(pause->exec->mask, pause->request);
    json_t *answer = json_copy(result);
    GError *problem = error ? g_error_copy(error) : NULL;

    if (problem)
        g_prefix_error(&problem, "%s: ", name);
    if (json_get_integer(answer, "status", 0) >= 400)
        json_object_set_new(answer, "shown", http_problem(pause->exec->mask, name, answer));
    pause_end(pause, answer, problem);
}

static void http_go(void *arg)
{
    struct pause *pause = arg;
    const struct world *world = &pause->exec->world;

    pause->wait = NULL;
    pause->inner = op_new(http_over, pause);
    struct op *inner = op_ref(pause->inner);
    world->http(world->arg, pause->request, inner);
    op_unref(inner);
}

/* Whatever the method, the request is told before it is sent. */
static void service_http(struct exec *exec, json_t *args, struct op *op)
{
    json_t *event = exec_event(exec);
    g_autofree char *shown = http_name(exec->mask, args);
    struct pause *pause = pause_new(exec, op);

    json_object_set_new(event, "host", json_null());
    json_object_set_new(event, "http", json_text_value(shown, strlen(shown)));
    pause->request = json_incref(args);
    pause->wait = journal_wait(exec->journal, journal_add(exec->journal, "command", event), http_go, pause);
}

static void service_secret(struct exec *exec, json_t *args, struct op *op)
{
    GError *error = NULL;
    const char *value = secrets_get(exec->secrets, json_get_string(args, "name", ""), &error);

    op_done(op, value ? json_stringn_nocheck(value, strlen(value)) : NULL, error);
}

/* ---- time and events ---- */

static void service_sleep(struct exec *exec, json_t *args, struct op *op)
{
    struct pause *pause = pause_new(exec, op);

    pause->timer = loop_timer_new(exec->options.loop, pause_over, pause);
    loop_timer_start(pause->timer, (uint64_t)MAX(0, json_get_integer(args, "ms", 0)), 0);
}

static void service_log(struct exec *exec, json_t *args, struct op *op)
{
    const json_t *text = json_object_get(args, "text");

    output_log(exec, json_string_value(text), json_string_length(text));
    end_when_room(exec, op);
}

static void service_note(struct exec *exec, json_t *args, struct op *op)
{
    const json_t *text = json_object_get(args, "text");

    if (json_string_length(text) > NOTE_BYTES) {
        fail(op, ERROR_TOO_LARGE, "note: the text is over %d bytes", NOTE_BYTES);
        return;
    }
    json_t *event = exec_event(exec);
    json_object_set_new(event, "text", json_text_value(json_string_value(text), json_string_length(text)));
    journal_add(exec->journal, "note", event);
    end_when_room(exec, op);
}

static bool report_kind_known(const char *kind)
{
    static const char *const kinds[] = {"metric", "table", "text", NULL}; /* and "file", which is its own service */

    return kind && g_strv_contains(kinds, kind);
}

/* The bytes are masked, and measured as they are kept. */
static void report_file(struct exec *exec, json_t *args, struct op *op)
{
    const json_t *given = json_object_get(args, "content");
    size_t length = json_string_length(given);
    if (length > LIMIT_FILE_BYTES || exec->files >= LIMIT_RUN_FILES ||
        exec->files_bytes + length > LIMIT_RUN_FILES_BYTES) {
        fail(op, ERROR_TOO_LARGE, "report.file: a file has at most %d KiB, a run %d files and %d MiB of them",
             LIMIT_FILE_BYTES / 1024, LIMIT_RUN_FILES, LIMIT_RUN_FILES_BYTES / 1024 / 1024);
        return;
    }
    g_autofree char *bytes = mask_bytes(exec->mask, json_string_value(given), length, &length);
    g_autofree char *content = g_base64_encode((const guchar *)bytes, length);
    g_autofree char *sum = crypto_sha256_hex(bytes, length);
    json_t *event = exec_event(exec), *name = json_object_get(args, "title");
    exec->files++;
    exec->files_bytes += length;
    json_set_string(event, "report_kind", "file");
    json_object_set(event, "title", name);
    json_object_set(event, "name", name);
    json_object_set_new(event, "bytes", json_integer((json_int_t)length));
    json_set_string(event, "sha256", sum);
    json_set_string(event, "content", content);
    json_object_set_new(event, "private", json_boolean(json_get_bool(args, "private", false)));
    journal_add(exec->journal, "report", event);
    end_when_room(exec, op);
}

static void service_report(struct exec *exec, json_t *args, struct op *op)
{
    if (g_strcmp0(json_get_string(args, "kind", NULL), "file") == 0) {
        report_file(exec, args, op);
        return;
    }
    static const char *const keys[] = {"title", "value", "unit", "columns", "rows", "text"};
    const char *kind = json_get_string(args, "kind", NULL);
    g_autofree char *text = json_text(args);

    if (!report_kind_known(kind)) {
        fail(op, ERROR_UNSUPPORTED, "report: there is no kind '%s'", kind ? kind : "");
        return;
    }
    if (strlen(text) > LIMIT_DATA_BYTES) {
        fail(op, ERROR_TOO_LARGE, "report: over %d KiB", LIMIT_DATA_BYTES / 1024);
        return;
    }
    /* Through the text, so that values from hosts are UTF-8. */
    g_autoptr(json_t) clean = json_parse(text, strlen(text), "report", NULL);
    json_t *event = exec_event(exec);
    json_set_string(event, "report_kind", kind);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        json_t *value = json_object_get(clean, keys[i]);
        json_object_set_new(event, keys[i], value ? json_incref(value) : json_null());
    }
    json_object_set_new(event, "private", json_boolean(json_get_bool(args, "private", false)));
    journal_add(exec->journal, "report", event);
    end_when_room(exec, op);
}

static void service_checkpoint(struct exec *exec, json_t *args, struct op *op)
{
    json_t *data = json_object_get(args, "data");
    g_autofree char *text = json_text(data);

    if (mask_finds_json(exec->mask, data)) {
        fail(op, ERROR_SECRET, "checkpoint: " EXEC_SECRET_IN_DATA);
        return;
    }
    if (strlen(text) > LIMIT_DATA_BYTES) {
        fail(op, ERROR_TOO_LARGE, "checkpoint: data is over %d KiB", LIMIT_DATA_BYTES / 1024);
        return;
    }
    json_t *event = exec_event(exec);
    json_object_set(event, "data", data);
    json_decref(exec->data);
    exec->data = json_incref(data);
    services_end_when_stored(exec, op, journal_add(exec->journal, "data", event));
}

static void service_item(struct exec *exec, json_t *args, struct op *op)
{
    static const char *const keys[] = {"call", "name", "result", "reason", "error", "duration_ms"};
    json_t *event = exec_event(exec);

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        json_t *value = json_object_get(args, keys[i]);
        json_object_set_new(event, keys[i], value ? json_incref(value) : json_null());
    }
    journal_add(exec->journal, "item", event);
    end_when_room(exec, op);
}

/* ---- the table ---- */

static const struct service {
    const char *name;
    void (*start)(struct exec *exec, json_t *args, struct op *op);
} services[] = {
    {"ssh.run", service_ssh_run},
    {"ssh.script", service_ssh_script},
    {"ssh.upload", service_ssh_upload},
    {"ssh.download", service_ssh_download},
    {"ssh.reachable", service_ssh_reachable},
    {"exec", service_exec},
    {"http", service_http},
    {"secret", service_secret},
    {"sleep", service_sleep},
    {"log", service_log},
    {"note", service_note},
    {"notify", services_notify},
    {"incident", services_incident},
    {"report", service_report},
    {"checkpoint", service_checkpoint},
    {"item", service_item},
};

const char *services_name(size_t index)
{
    return index < G_N_ELEMENTS(services) ? services[index].name : NULL;
}

static const struct service *service_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
        if (strcmp(services[i].name, name) == 0)
            return &services[i];
    return NULL;
}

void services_call(void *arg, const char *name, json_t *args, struct op *op)
{
    struct exec *exec = arg;
    const struct service *service = service_find(name);

    if (exec->asked == PLAN_FENCED)
        fail(op, ERROR_CANCELLED, "the run is no longer this runner's");
    else if (exec->phase != PHASE_RUNNING)
        fail(op, ERROR_NOT_ALLOWED, "`when` only looks at values: %s is not for it", name);
    else if (!service)
        fail(op, ERROR_UNSUPPORTED, "this runner has no service '%s'", name);
    else
        service->start(exec, args, op);
}

void services_abandon_all(struct exec *exec)
{
    struct pause *pause;

    while ((pause = g_queue_peek_head(&exec->pauses))) {
        if (pause->inner)
            op_abandon(pause->inner);
        pause_free(pause);
    }
}
