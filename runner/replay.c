/* replay: see replay.h. */
#include "runner/replay.h"

#include "core/crypto.h"
#include "core/errors.h"
#include "core/text_diff.h"
#include "core/yaml_write.h"

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

/* What a person would still write into a case. */
#define CONTENT_BYTES 4096

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

/* What is compared, in the order in which a diff shows it. */
static const char *const question_keys[] = {"run",       "script", "step", "upload",  "download",
                                            "reachable", "shell",  "sudo", "stdin",   "env",
                                            "cwd",       "pty",    "mode", "content", "sha256"};

/* ---- questions ---- */

static void set_flag(json_t *object, const char *key, bool value)
{
    if (value)
        json_object_set_new(object, key, json_true());
}

json_t *replay_question(const char *step, const struct ssh_command *command)
{
    json_t *question = json_object();
    if (step) {
        json_set_string(question, "step", step);
        return question; /* its text, params and user follow from the runbook */
    }
    if (command->argv)
        json_object_set(question, "run", command->argv);
    else
        json_object_set_new(question, "script", json_text_value(command->script, command->script_length));
    if (command->shell && strcmp(command->shell, "bash") == 0)
        json_set_string(question, "shell", command->shell);
    if (command->sudo)
        json_set_string(question, "sudo", command->sudo);
    if (command->stdin_bytes)
        json_object_set_new(question, "stdin", json_text_value(command->stdin_bytes, command->stdin_length));
    if (json_object_size(command->env) > 0)
        json_object_set(question, "env", command->env);
    if (command->cwd)
        json_set_string(question, "cwd", command->cwd);
    set_flag(question, "pty", command->pty);
    return question;
}

static bool is_short_text(GBytes *bytes)
{
    gsize length;
    const char *text = g_bytes_get_data(bytes, &length);
    return length <= CONTENT_BYTES && (length == 0 || g_utf8_validate(text, (gssize)length, NULL));
}

json_t *replay_file_question(const struct ssh_transfer_request *request)
{
    json_t *question = json_object();
    json_object_set_new(question, request->content ? "upload" : "download",
                        json_text_value(request->path, strlen(request->path)));
    if (request->sudo)
        json_set_string(question, "sudo", request->sudo);
    if (!request->content)
        return question;
    if (request->mode >= 0)
        json_object_set_new(question, "mode", json_sprintf("%04o", (unsigned)request->mode));
    gsize length;
    const char *bytes = g_bytes_get_data(request->content, &length);
    if (is_short_text(request->content))
        json_object_set_new(question, "content", json_stringn(bytes ? bytes : "", length));
    g_autofree char *sum = crypto_sha256_hex(bytes, length);
    json_set_string(question, "sha256", sum);
    return question;
}

/* The part of an answer that is a question. `reachable` asks only whether; a download's content comes back. */
static json_t *question_of(const json_t *answer)
{
    json_t *question = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(question_keys); i++) {
        json_t *value = json_object_get(answer, question_keys[i]);
        if (value && !json_is_false(value))
            json_object_set(question, question_keys[i], value);
    }
    if (json_object_get(answer, "reachable"))
        json_object_set_new(question, "reachable", json_string("?"));
    if (json_object_get(answer, "download"))
        json_object_del(question, "content");
    return question;
}

/* What is uploaded is written as text or as its hash. */
static bool is_left_out(const json_t *wanted, const char *key)
{
    bool hash = json_object_get(wanted, "sha256") != NULL;
    return (hash && strcmp(key, "content") == 0) || (!hash && strcmp(key, "sha256") == 0);
}

/* Blank lines at the end of a script mean nothing; YAML's block texts have a newline there. */
static bool same_script(const json_t *a, const json_t *b)
{
    g_autofree char *left = g_strdup(json_string_value(a)), *right = g_strdup(json_string_value(b));
    return left && right && strcmp(g_strchomp(left), g_strchomp(right)) == 0;
}

static bool same_question(const json_t *a, const json_t *b)
{
    for (size_t i = 0; i < G_N_ELEMENTS(question_keys); i++) {
        const char *key = question_keys[i];
        const json_t *left = json_object_get(a, key), *right = json_object_get(b, key);
        bool same = (!left && !right) || is_left_out(a, key) || (left && right && json_equal(left, right)) ||
                    (strcmp(key, "script") == 0 && same_script(left, right));
        if (!same)
            return false;
    }
    return true;
}

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

/* In the order of the keys, so that a diff compares like with like. */
static char *question_text(const json_t *question)
{
    g_autoptr(json_t) ordered = json_object();
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(question_keys); i++) {
        json_t *value = json_object_get(question, question_keys[i]);
        if (!value)
            continue;
        json_object_clear(ordered);
        json_object_set(ordered, question_keys[i], value);
        g_autofree char *line = yaml_write(ordered);
        g_string_append(text, line);
    }
    return g_string_free(text, FALSE);
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
    g_autoptr(json_t) wanted = next ? question_of(next->json) : json_object();
    g_autoptr(json_t) shorter = json_copy((json_t *)question);
    for (size_t i = 0; i < G_N_ELEMENTS(question_keys); i++)
        if (is_left_out(wanted, question_keys[i]) && json_object_get(question, "content"))
            json_object_del(shorter, question_keys[i]);
    g_autofree char *asked = question_text(shorter);
    if (!next) {
        g_autofree char *shown = indented("  + ", asked);
        tell(replay, "%s: the case has no more answers, and the step asks for\n%s", host, shown);
        return;
    }
    g_autofree char *written = question_text(wanted), *diff = text_diff(written, asked);
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
        g_autoptr(json_t) wanted = question_of(answer->json);
        if (same_question(wanted, question)) {
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

static void replay_run(void *arg, const char *step, const struct ssh_command *command, struct op *op)
{
    struct replay *replay = arg;
    const char *host = json_get_string(command->host, "name", "");
    g_autoptr(json_t) question = replay_question(step, command);
    const json_t *answer = take_answer(replay, host, question);
    if (!answer) {
        no_answer(op);
        return;
    }
    struct pending *pending = pending_new(replay, host, answer, op);
    pending->on_output = command->on_output;
    pending->arg = command->arg;
    pending_start(pending, command->timeout_ms);
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
    struct replay *replay = arg;
    const char *host = json_get_string(request->host, "name", "");
    g_autoptr(json_t) question = replay_file_question(request);
    const json_t *answer = take_answer(replay, host, question);
    if (!answer) {
        no_answer(op);
        return;
    }
    struct pending *pending = pending_new(replay, host, answer, op);
    pending->file = file_result(request, host, answer);
    pending_start(pending, request->timeout_ms);
}

static void replay_reach(void *arg, const json_t *host, const json_t *inventory, struct op *op)
{
    (void)inventory;
    struct replay *replay = arg;
    const char *name = json_get_string(host, "name", "");
    g_autoptr(json_t) question = json_pack("{s:s}", "reachable", "?");
    const json_t *answer = take_answer(replay, name, question);
    if (answer)
        loop_timer_start(pending_new(replay, name, answer, op)->timer,
                         (uint64_t)json_get_integer(answer, "takes_ms", 0), 0);
    else
        no_answer(op);
}

struct world replay_world(struct replay *replay)
{
    return (struct world){.run = replay_run, .transfer = replay_transfer, .reach = replay_reach, .arg = replay};
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
    g_autoptr(json_t) wanted = question_of(answer->json);
    g_autofree char *text = question_text(wanted), *shown = indented("  - ", text);
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
