/* tape: see tape.h. */
#include "runner/tape.h"

#include "core/errors.h"
#include "core/wire.h"
#include "runner/replay.h"

#include <string.h>

/* Shorter is not worth a line. */
#define TAKES_MIN_MS 1000
/* A command that was still running when it was stopped: in a test it runs until it is stopped there, too. */
#define TAKES_LONG "1d"

struct tape {
    struct loop *loop;
    struct world inner;
    json_t *hosts;
    GQueue recordings; /* struct recording */
};

struct recording {
    struct tape *tape;
    GList link;
    struct op *op;    /* the caller's */
    struct op *inner; /* the one that does it */
    json_t *answer;   /* in tape->hosts */
    uint64_t asked_ms;
    bool stopped;
    void (*on_output)(void *arg, const char *stream, const char *bytes, size_t length);
    void *arg; /* the caller's, for on_output: not after it let go of its op */
};

static void recording_free(struct recording *recording)
{
    g_queue_unlink(&recording->tape->recordings, &recording->link);
    op_on_cancel(recording->op, NULL, NULL);
    op_unref(recording->op);
    op_unref(recording->inner);
    json_decref(recording->answer);
    g_free(recording);
}

/* ---- what came back ---- */

static void write_stream(json_t *answer, const json_t *result, const char *stream)
{
    json_t *text = json_object_get(result, stream);
    if (json_string_length(text) > 0)
        json_object_set_new(answer, stream, json_text_value(json_string_value(text), json_string_length(text)));
}

static void write_result(json_t *answer, const json_t *result)
{
    json_int_t code = json_get_integer(result, "code", 0);
    const char *signal_name = json_get_string(result, "signal", NULL);
    write_stream(answer, result, "stdout");
    write_stream(answer, result, "stderr");
    if (signal_name)
        json_set_string(answer, "signal", signal_name);
    else if (code != 0)
        json_object_set_new(answer, "code", json_integer(code));
}

static void write_content(json_t *answer, const json_t *content)
{
    const char *bytes = json_string_value(content);
    size_t length = json_string_length(content);
    if (g_utf8_validate(bytes, (gssize)length, NULL)) {
        json_object_set_new(answer, "content", json_stringn(bytes, length));
    } else {
        g_autofree char *encoded = g_base64_encode((const guchar *)bytes, length);
        json_set_string(answer, "base64", encoded);
    }
}

static void write_http(json_t *answer, const json_t *result)
{
    const json_t *body = json_object_get(result, "body");
    json_t *parsed = json_parse(json_string_value(body), json_string_length(body), "body", NULL);
    if (json_get_integer(result, "status", 200) != 200)
        json_object_set(answer, "status", json_object_get(result, "status"));
    if (json_is_object(parsed) || json_is_array(parsed))
        json_object_set(answer, "answer", parsed);
    else if (json_string_length(body) > 0)
        json_object_set_new(answer, "answer", json_text_value(json_string_value(body), json_string_length(body)));
    json_decref(parsed);
}

static void write_error(json_t *answer, const GError *error)
{
    json_set_string(answer, "error", errors_code(errors_of(error)));
    json_set_string(answer, "message", error->message);
}

static void write_takes(const struct recording *recording)
{
    uint64_t took_ms = loop_now_ms(recording->tape->loop) - recording->asked_ms;
    if (recording->stopped)
        json_set_string(recording->answer, "takes", TAKES_LONG);
    else if (took_ms >= TAKES_MIN_MS)
        json_object_set_new(recording->answer, "takes", json_sprintf("%" G_GUINT64_FORMAT "s", took_ms / 1000));
}

static void recording_done(void *arg, json_t *result, const GError *error)
{
    struct recording *recording = arg;
    struct op *op = op_ref(recording->op);
    bool reachable = json_object_get(recording->answer, "reachable") != NULL;
    if (reachable)
        json_object_set_new(recording->answer, "reachable", json_boolean(error == NULL));
    if (error && !recording->stopped)
        write_error(recording->answer, error);
    else if (!error && json_object_get(recording->answer, "download"))
        write_content(recording->answer, json_object_get(result, "content"));
    else if (!error && json_object_get(result, "status"))
        write_http(recording->answer, result);
    else if (!error && !reachable)
        write_result(recording->answer, result);
    write_takes(recording);
    recording_free(recording);
    op_done(op, json_incref(result), error ? g_error_copy(error) : NULL);
    op_unref(op);
}

static void recording_cancel(void *arg, int code)
{
    struct recording *recording = arg;
    recording->stopped = true;
    if (op_abandoned(recording->op)) {
        op_abandon(recording->inner);
        write_takes(recording);
        recording_free(recording);
    } else {
        op_cancel(recording->inner, code);
    }
}

/* ---- what is asked ---- */

static const char *name_of(const json_t *host)
{
    return json_get_string(host, "name", "");
}

/* Takes the question, which becomes the answer. */
static struct recording *recording_new(struct tape *tape, const char *name, json_t *question, struct op *op)
{
    struct recording *recording = g_new0(struct recording, 1);
    json_t *list = json_object_get(tape->hosts, name);
    if (!list) {
        list = json_array();
        json_object_set_new(tape->hosts, name, list);
    }
    json_array_append(list, question);
    *recording = (struct recording){.tape = tape,
                                    .link = {.data = recording},
                                    .op = op_ref(op),
                                    .answer = question,
                                    .asked_ms = loop_now_ms(tape->loop)};
    recording->inner = op_new(recording_done, recording);
    g_queue_push_tail_link(&tape->recordings, &recording->link);
    op_on_cancel(op, recording_cancel, recording);
    return recording;
}

static void pass_output(void *arg, const char *stream, const char *bytes, size_t length)
{
    const struct recording *recording = arg;
    if (recording->on_output && !op_abandoned(recording->op))
        recording->on_output(recording->arg, stream, bytes, length);
}

/* A command as it is passed on: its output is heard here first. */
static struct ssh_command listening(struct recording *recording, const struct ssh_command *command)
{
    struct ssh_command own = *command;
    recording->on_output = command->on_output;
    recording->arg = command->arg;
    own.on_output = pass_output;
    own.arg = recording;
    return own;
}

static void tape_run(void *arg, const char *step, const struct ssh_command *command, struct op *op)
{
    struct tape *tape = arg;
    struct recording *recording = recording_new(tape, name_of(command->host), replay_question(step, command), op);
    struct ssh_command own = listening(recording, command);
    struct op *inner = op_ref(recording->inner);
    tape->inner.run(tape->inner.arg, step, &own, inner);
    op_unref(inner);
}

static void tape_transfer(void *arg, const struct ssh_transfer_request *request, struct op *op)
{
    struct tape *tape = arg;
    json_t *question = replay_file_question(request);
    if (json_object_get(question, "content") || request->hide) /* a hash can be guessed at, and differs in tests */
        json_object_del(question, "sha256");
    struct recording *recording = recording_new(tape, name_of(request->host), question, op);
    struct op *inner = op_ref(recording->inner);
    tape->inner.transfer(tape->inner.arg, request, inner);
    op_unref(inner);
}

static void tape_reach(void *arg, const json_t *host, const json_t *inventory, struct op *op)
{
    struct tape *tape = arg;
    struct recording *recording = recording_new(tape, name_of(host), json_pack("{s:b}", "reachable", 1), op);
    struct op *inner = op_ref(recording->inner);
    tape->inner.reach(tape->inner.arg, host, inventory, inner);
    op_unref(inner);
}

static void tape_local(void *arg, const struct ssh_command *command, struct op *op)
{
    struct tape *tape = arg;
    struct recording *recording = recording_new(tape, WIRE_LOCAL_HOST, replay_question(NULL, command), op);
    struct ssh_command own = listening(recording, command);
    struct op *inner = op_ref(recording->inner);
    tape->inner.local(tape->inner.arg, &own, inner);
    op_unref(inner);
}

/* Headers are left out: they hold what a case should not, and seldom what it is about. */
static void tape_http(void *arg, const json_t *request, struct op *op)
{
    struct tape *tape = arg;
    json_t *question = replay_http_question(request);
    json_object_del(question, "headers");
    struct recording *recording = recording_new(tape, WIRE_HTTP_HOST, question, op);
    struct op *inner = op_ref(recording->inner);
    tape->inner.http(tape->inner.arg, request, inner);
    op_unref(inner);
}

struct world tape_world(struct tape *tape)
{
    return (struct world){.run = tape_run,
                          .transfer = tape_transfer,
                          .reach = tape_reach,
                          .local = tape_local,
                          .http = tape_http,
                          .arg = tape};
}

/* ---- the tape ---- */

struct tape *tape_new(struct loop *loop, const struct world *inner)
{
    struct tape *tape = g_new0(struct tape, 1);
    *tape = (struct tape){.loop = loop, .inner = *inner, .hosts = json_object()};
    g_queue_init(&tape->recordings);
    return tape;
}

void tape_free(struct tape *tape)
{
    if (!tape)
        return;
    while (!g_queue_is_empty(&tape->recordings))
        recording_free(g_queue_peek_head(&tape->recordings));
    json_decref(tape->hosts);
    g_free(tape);
}

static json_t *without_repeats(const json_t *list)
{
    json_t *shorter = json_array(), *answer, *last = NULL;
    json_int_t times = 0;
    size_t i;
    json_array_foreach (list, i, answer) {
        times = last && json_equal(last, answer) ? times + 1 : 1;
        if (times == 1)
            json_array_append_new(shorter, json_copy(answer));
        else
            json_object_set_new(json_array_get(shorter, json_array_size(shorter) - 1), "times", json_integer(times));
        last = answer;
    }
    return shorter;
}

json_t *tape_hosts(const struct tape *tape)
{
    json_t *hosts = json_object(), *list;
    const char *name;
    json_object_foreach (tape->hosts, name, list)
        json_object_set_new(hosts, name, without_repeats(list));
    return hosts;
}
