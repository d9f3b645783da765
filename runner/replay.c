/* replay: see replay.h. */
#include "runner/replay.h"

#include "core/crypto.h"
#include "core/errors.h"
#include "core/text_diff.h"
#include "core/wire.h"
#include "runner/replay_private.h"

#include <string.h>

/* One answer as it is used up. */
struct answer {
    const json_t *json;
    int64_t left; /* how often it may still be asked for */
};

struct replay {
    struct replay_options options;
    GHashTable *hosts; /* name → GArray of struct answer */
    GQueue pending;    /* struct pending: answers on their way */
};

struct pending {
    struct replay *replay;
    GList link;
    struct op *op;
    struct loop_timer *timer;
    char *host;
    const json_t *answer;
    json_t *file; /* of a transfer: its result */
    bool timed_out;
    void (*on_output)(void *arg, const char *stream, const char *bytes, size_t length);
    void *arg;
};

/* ---- problems ---- */

static void tell(struct replay *replay, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void tell(struct replay *replay, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    replay->options.problem(replay->options.arg, text);
}

static char *indented(const char *prefix, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);
    for (char **line = lines; *line; line++)
        if (**line || line[1])
            g_string_append_printf(out, "%s%s\n", prefix, *line);
    return g_string_free(out, FALSE);
}

static int answer_line(const struct answer *answer)
{
    return (int)json_get_integer(answer->json, "line", 0);
}

static void tell_unknown(struct replay *replay, const char *host, const json_t *question, const struct answer *next)
{
    g_autoptr(json_t) wanted = next ? replay_question_of(next->json) : json_object();
    g_autoptr(json_t) shorter = json_copy((json_t *)question);
    replay_leave_out(wanted, shorter);
    g_autofree char *asked = replay_question_text(shorter);
    if (!next) {
        g_autofree char *shown = indented("  + ", asked);
        tell(replay, "%s: the case has no more answers, and the step asks for\n%s", host, shown);
        return;
    }
    g_autofree char *written = replay_question_text(wanted), *diff = text_diff(written, asked);
    g_autofree char *shown = indented("  ", diff);
    tell(replay, "%s: the step asks for something else than the case (- line %d, + the step)\n%s", host,
         answer_line(next), shown);
}

/* ---- answers ---- */

/* The answer to a question, used up by one; NULL, after telling, when there is none. */
static const json_t *take_answer(struct replay *replay, const char *host, const json_t *question)
{
    GArray *answers = g_hash_table_lookup(replay->hosts, host);
    struct answer *first = NULL;
    for (guint i = 0; answers && i < answers->len; i++) {
        struct answer *answer = &g_array_index(answers, struct answer, i);
        if (answer->left == 0)
            continue;
        g_autoptr(json_t) wanted = replay_question_of(answer->json);
        if (replay_same_question(wanted, question)) {
            answer->left--;
            return answer->json;
        }
        first = first ? first : answer;
        if (!replay->options.any_order)
            break;
    }
    tell_unknown(replay, host, question, first);
    return NULL;
}

static void pending_free(struct pending *pending)
{
    g_queue_unlink(&pending->replay->pending, &pending->link);
    op_on_cancel(pending->op, NULL, NULL);
    loop_timer_free(pending->timer);
    op_unref(pending->op);
    json_decref(pending->file);
    g_free(pending->host);
    g_free(pending);
}

static void pending_end(struct pending *pending, json_t *result, GError *error)
{
    struct op *op = op_ref(pending->op);
    pending_free(pending);
    op_done(op, result, error);
    op_unref(op);
}

static GError *stopped_error(const struct pending *pending, int code)
{
    return g_error_new(HIKESHI_ERROR, code, "%s; stopped on %s",
                       code == ERROR_TIMEOUT ? "the command timed out" : "the command was cancelled", pending->host);
}

static void pending_cancel(void *arg, int code)
{
    struct pending *pending = arg;
    pending_end(pending, NULL, stopped_error(pending, code));
}

static GError *written_error(const struct pending *pending)
{
    int code = errors_from_code(json_get_string(pending->answer, "error", ""));
    return g_error_new(HIKESHI_ERROR, code, "%s: %s", pending->host,
                       json_get_string(pending->answer, "message", errors_text(code)));
}

static json_t *result_of(const struct pending *pending)
{
    const json_t *answer = pending->answer;
    const char *signal_name = json_get_string(answer, "signal", NULL);
    json_t *result = json_object();
    json_set_string(result, "host", pending->host);
    json_object_set_new(result, "code", signal_name ? json_null() : json_integer(json_get_integer(answer, "code", 0)));
    json_set_string(result, "signal", signal_name);
    json_set_string(result, "stdout", json_get_string(answer, "stdout", ""));
    json_set_string(result, "stderr", json_get_string(answer, "stderr", ""));
    json_object_set_new(result, "duration_ms", json_integer(json_get_integer(answer, "takes_ms", 0)));
    json_object_set_new(result, "truncated", json_false());
    return result;
}

/* A text as it is; anything else as JSON. */
static json_t *http_result(const struct pending *pending)
{
    json_t *answer = json_object_get(pending->answer, "answer"), *result = json_object(), *headers = json_object();
    json_t *written = json_object_get(pending->answer, "answer_headers");
    json_int_t took_ms = json_get_integer(pending->answer, "takes_ms", 0);
    json_object_set_new(result, "status", json_integer(json_get_integer(pending->answer, "status", 200)));
    if (json_is_string(answer) || !answer) {
        json_object_set(result, "body", answer);
    } else {
        g_autofree char *text = json_text(answer);
        json_set_string(headers, "content-type", "application/json");
        json_set_string(result, "body", text);
    }
    if (!answer)
        json_set_string(result, "body", "");
    if (written)
        json_object_update(headers, written);
    json_object_set_new(result, "headers", headers);
    json_object_set_new(result, "duration_ms", json_integer(took_ms));
    return result;
}

static bool is_http(const struct pending *pending)
{
    for (const char *const *method = replay_http_methods; *method; method++)
        if (json_object_get(pending->answer, *method))
            return true;
    return false;
}

static void say_output(const struct pending *pending, const char *key, const char *stream)
{
    const char *text = json_get_string(pending->answer, key, "");
    if (*text && pending->on_output && !op_abandoned(pending->op))
        pending->on_output(pending->arg, stream, text, strlen(text));
}

static void pending_due(void *arg)
{
    struct pending *pending = arg;
    const json_t *reachable = json_object_get(pending->answer, "reachable");
    if (pending->timed_out) {
        pending_end(pending, NULL, stopped_error(pending, ERROR_TIMEOUT));
    } else if (json_object_get(pending->answer, "error") || json_is_false(reachable)) {
        GError *error = json_object_get(pending->answer, "error")
                            ? written_error(pending)
                            : g_error_new(HIKESHI_ERROR, ERROR_CONNECT, "cannot connect to %s", pending->host);
        pending_end(pending, NULL, error);
    } else if (reachable) {
        pending_end(pending, json_pack("{s:s, s:i, s:n}", "host", pending->host, "latency_ms", 0, "fingerprint"), NULL);
    } else if (pending->file) {
        pending_end(pending, json_incref(pending->file), NULL);
    } else if (is_http(pending)) {
        pending_end(pending, http_result(pending), NULL);
    } else {
        say_output(pending, "stdout", "out");
        say_output(pending, "stderr", "err");
        pending_end(pending, result_of(pending), NULL);
    }
}

static struct pending *pending_new(struct replay *replay, const char *host, const json_t *answer, struct op *op)
{
    struct pending *pending = g_new0(struct pending, 1);
    *pending = (struct pending){
        .replay = replay, .link = {.data = pending}, .op = op_ref(op), .host = g_strdup(host), .answer = answer};
    pending->timer = loop_timer_new(replay->options.loop, pending_due, pending);
    g_queue_push_tail_link(&replay->pending, &pending->link);
    op_on_cancel(op, pending_cancel, pending);
    return pending;
}

/* It ends when its answer takes that long, or at its time-out (0: none). */
static void pending_start(struct pending *pending, int64_t timeout_ms)
{
    int64_t takes_ms = json_get_integer(pending->answer, "takes_ms", 0);
    pending->timed_out = timeout_ms > 0 && takes_ms > timeout_ms;
    loop_timer_start(pending->timer, (uint64_t)(pending->timed_out ? timeout_ms : takes_ms), 0);
}

static void no_answer(struct op *op)
{
    op_done(op, NULL, g_error_new(HIKESHI_ERROR, ERROR_CANCELLED, "the case has no answer for this"));
}

/* ---- the world ---- */

/* The answer to a question, on its way; NULL when there is none. */
static struct pending *answer_later(struct replay *replay, const char *host, const json_t *question, int64_t timeout_ms,
                                    struct op *op)
{
    const json_t *answer = take_answer(replay, host, question);
    if (!answer) {
        no_answer(op);
        return NULL;
    }
    struct pending *pending = pending_new(replay, host, answer, op);
    pending_start(pending, timeout_ms);
    return pending;
}

static void replay_run(void *arg, const char *step, const struct ssh_command *command, struct op *op)
{
    g_autoptr(json_t) question = replay_question(step, command);
    struct pending *pending =
        answer_later(arg, json_get_string(command->host, "name", ""), question, command->timeout_ms, op);
    if (!pending)
        return;
    pending->on_output = command->on_output;
    pending->arg = command->arg;
}

static void replay_local(void *arg, const struct ssh_command *command, struct op *op)
{
    replay_run(arg, NULL, command, op);
}

static void replay_http(void *arg, const json_t *request, struct op *op)
{
    g_autoptr(json_t) question = replay_http_question(request);
    answer_later(arg, WIRE_HTTP_HOST, question, json_get_integer(request, "timeout_ms", 0), op);
}

/* The bytes that a download answers with. */
static GBytes *answered_bytes(const json_t *answer)
{
    const json_t *content = json_object_get(answer, "content");
    const char *base64 = json_get_string(answer, "base64", NULL);
    gsize length = 0;
    guchar *bytes = base64 ? g_base64_decode(base64, &length) : NULL;
    return base64 ? g_bytes_new_take(bytes, length)
                  : g_bytes_new(json_string_value(content), json_string_length(content));
}

static json_t *file_result(const struct ssh_transfer_request *request, const char *host, const json_t *answer)
{
    g_autoptr(GBytes) bytes = request->content ? g_bytes_ref(request->content) : answered_bytes(answer);
    gsize length;
    const char *data = g_bytes_get_data(bytes, &length);
    g_autofree char *sum = crypto_sha256_hex(data, length);
    json_t *result = json_pack("{s:s, s:O, s:I, s:s, s:s, s:I}", "host", host, "path",
                               json_object_get(answer, request->content ? "upload" : "download"), "bytes",
                               (json_int_t)length, "mode", json_get_string(answer, "mode", "0644"), "sha256", sum,
                               "duration_ms", json_get_integer(answer, "takes_ms", 0));
    if (!request->content)
        json_object_set_new(result, "content", json_stringn_nocheck(data ? data : "", length));
    return result;
}

static void replay_transfer(void *arg, const struct ssh_transfer_request *request, struct op *op)
{
    const char *host = json_get_string(request->host, "name", "");
    g_autoptr(json_t) question = replay_file_question(request);
    struct pending *pending = answer_later(arg, host, question, request->timeout_ms, op);
    if (pending)
        pending->file = file_result(request, host, pending->answer);
}

static void replay_reach(void *arg, const json_t *host, const json_t *inventory, struct op *op)
{
    (void)inventory;
    g_autoptr(json_t) question = json_pack("{s:s}", "reachable", "?");
    answer_later(arg, json_get_string(host, "name", ""), question, 0, op);
}

struct world replay_world(struct replay *replay)
{
    return (struct world){.run = replay_run,
                          .transfer = replay_transfer,
                          .reach = replay_reach,
                          .local = replay_local,
                          .http = replay_http,
                          .arg = replay};
}

/* ---- life ---- */

static void free_answers(void *answers)
{
    g_array_unref(answers);
}

struct replay *replay_new(const struct replay_options *options)
{
    struct replay *replay = g_new0(struct replay, 1);
    const char *host;
    json_t *list, *json;
    size_t i;
    replay->options = *options;
    replay->hosts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_answers);
    g_queue_init(&replay->pending);
    json_object_foreach ((json_t *)options->hosts, host, list) {
        GArray *answers = g_array_new(FALSE, TRUE, sizeof(struct answer));
        json_array_foreach (list, i, json) {
            struct answer answer = {json, json_get_integer(json, "times", 1)};
            g_array_append_val(answers, answer);
        }
        g_hash_table_insert(replay->hosts, (char *)host, answers);
    }
    return replay;
}

void replay_free(struct replay *replay)
{
    if (!replay)
        return;
    while (!g_queue_is_empty(&replay->pending))
        pending_free(g_queue_peek_head(&replay->pending));
    g_hash_table_unref(replay->hosts);
    g_free(replay);
}

static void tell_unused(struct replay *replay, const char *host, const struct answer *answer)
{
    g_autoptr(json_t) wanted = replay_question_of(answer->json);
    g_autofree char *text = replay_question_text(wanted), *shown = indented("  - ", text);
    g_autofree char *times =
        answer->left > 1 ? g_strdup_printf(" %" G_GINT64_FORMAT " times", answer->left) : g_strdup("");
    tell(replay, "%s: the run never asked for line %d%s\n%s", host, answer_line(answer), times, shown);
}

void replay_finish(struct replay *replay)
{
    const char *host;
    json_t *list;
    json_object_foreach ((json_t *)replay->options.hosts, host, list) {
        GArray *answers = g_hash_table_lookup(replay->hosts, host);
        for (guint i = 0; i < answers->len; i++)
            if (g_array_index(answers, struct answer, i).left > 0)
                tell_unused(replay, host, &g_array_index(answers, struct answer, i));
    }
}
