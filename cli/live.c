/* live: one function an event kind, and whole lines out of chunks of output. */
#include "cli/live_private.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/clock.h"
#include <glib.h>
#include <string.h>

#define MAX_LINE_BYTES 8192 /* a longer line is printed in pieces */

struct live *live_new(FILE *out)
{
    struct live *live = g_new0(struct live, 1);
    live->out = out;
    live->tty = terminal_is_tty(out);
    live->clean = terminal_has_colour(out) ? TERMINAL_COLOUR : TERMINAL_PLAIN;
    live->titles = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    live->partial = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    live->state = g_strdup("running");
    return live;
}

void live_alone(struct live *live)
{
    live->alone = true;
}

static const char *style(const struct live *live, enum terminal_style which)
{
    return terminal_style(live->out, which);
}

/* The start of every line below a step's heading: "  " on a terminal, "[look] " elsewhere. */
static void begin_line(struct live *live, const char *step)
{
    if (live->tty) {
        fputs("  ", live->out);
    } else if (step) {
        g_autofree char *id = terminal_clean_line(step);
        fprintf(live->out, "[%s] ", id);
    }
}

static void heading(struct live *live, const char *step)
{
    if (!step || g_strcmp0(live->step, step) == 0)
        return;
    g_free(live->step);
    live->step = g_strdup(step);
    const char *known = g_hash_table_lookup(live->titles, step);
    g_autofree char *id = terminal_clean_line(step);
    g_autofree char *title = known ? terminal_clean_line(known) : g_strdup("");
    if (live->tty)
        fprintf(live->out, "\n%s%s%s %s%s%s\n", style(live, STYLE_BOLD), *title ? title : id, style(live, STYLE_RESET),
                style(live, STYLE_DIM), *title ? id : "", style(live, STYLE_RESET));
    else
        fprintf(live->out, "[%s] %s\n", id, *title ? title : "step");
}

/* One line in a colour: what hikeshi itself says. */
void live_say(struct live *live, const char *step, enum terminal_style colour, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *line = terminal_clean_line(message);
    heading(live, step);
    begin_line(live, step);
    bool plain = colour == STYLE_RESET;
    fprintf(live->out, "%s%s%s\n", plain ? "" : style(live, colour), line, plain ? "" : style(live, STYLE_RESET));
}

void live_output_line(struct live *live, const char *step, const char *host, const char *stream, const char *line,
                      size_t length)
{
    /* A progress bar rewrites its line: its last state is what a person would see. */
    while (length && line[length - 1] == '\r')
        length--;
    for (size_t i = length; i > 0; i--) {
        if (line[i - 1] == '\r') {
            line += i;
            length -= i;
            break;
        }
    }
    g_autofree char *safe = terminal_clean(line, length, live->clean);
    g_strdelimit(safe, "\n", ' ');
    bool err = g_strcmp0(stream, "err") == 0;
    heading(live, step);
    begin_line(live, step);
    if (host) {
        g_autofree char *name = terminal_clean_line(host);
        fprintf(live->out, "%s%s%s%s ", style(live, err ? STYLE_YELLOW : STYLE_CYAN), name,
                live->tty ? " │"
                : err     ? " (err):"
                          : ":",
                style(live, STYLE_RESET));
    }
    fprintf(live->out, "%s\n", safe);
}

static void flush_partial(struct live *live, const char *key, GString *partial)
{
    g_auto(GStrv) parts = g_strsplit(key, "\n", 3);
    if (partial->len)
        live_output_line(live, *parts[0] ? parts[0] : NULL, *parts[1] ? parts[1] : NULL, parts[2], partial->str,
                         partial->len);
    g_string_truncate(partial, 0);
}

/* Prints the unfinished lines of a step (and host, when not NULL). */
static void flush_step(struct live *live, const char *step, const char *host)
{
    g_autofree char *prefix =
        step ? g_strdup_printf("%s\n%s%s", step, host ? host : "", host ? "\n" : "") : g_strdup("");
    GHashTableIter iter;
    gpointer key, partial;
    g_hash_table_iter_init(&iter, live->partial);
    while (g_hash_table_iter_next(&iter, &key, &partial)) {
        if (!g_str_has_prefix(key, prefix))
            continue;
        flush_partial(live, key, partial);
        g_string_free(partial, TRUE);
        g_hash_table_iter_remove(&iter);
    }
}

static void on_output(struct live *live, const json_t *event)
{
    const char *step = live_text(event, "step"), *host = live_text(event, "host"), *stream = live_text(event, "stream");
    const json_t *value = json_object_get(event, "text");
    const char *bytes = json_string_value(value);
    size_t length = json_string_length(value);
    if (!bytes || live_gather_output(live, step, host, stream, bytes, length))
        return;
    g_autofree char *key = g_strdup_printf("%s\n%s\n%s", step ? step : "", host ? host : "", stream ? stream : "out");
    GString *partial = g_hash_table_lookup(live->partial, key);
    if (!partial) {
        partial = g_string_new(NULL);
        g_hash_table_insert(live->partial, g_strdup(key), partial);
    }
    while (length) {
        const char *newline = memchr(bytes, '\n', length);
        size_t piece = newline ? (size_t)(newline - bytes) : MIN(length, MAX_LINE_BYTES);
        g_string_append_len(partial, bytes, (gssize)piece);
        if (newline && !partial->len)
            live_output_line(live, step, host, stream, "", 0);
        else if (newline || partial->len >= MAX_LINE_BYTES)
            flush_partial(live, key, partial);
        piece += newline != NULL;
        bytes += piece;
        length -= piece;
    }
    /* Lines of the step's own log are whole sentences. */
    if (!host)
        flush_partial(live, key, partial);
}

static void on_step_start(struct live *live, const json_t *event)
{
    json_int_t attempt = json_get_integer(event, "try", 1);
    heading(live, live_text(event, "step"));
    if (attempt > 1)
        live_say(live, live_text(event, "step"), STYLE_DIM, "attempt %" JSON_INTEGER_FORMAT, attempt);
}

/* Quoted where a shell would need it, so that a reader sees where words end. Nothing runs from this text. */
static void append_word(GString *words, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    g_string_append(words, words->len ? " " : "");
    if (word && *word && strspn(word, plain) == strlen(word)) {
        g_string_append(words, word);
    } else {
        g_autofree char *quoted = g_shell_quote(word ? word : "?");
        g_string_append(words, quoted);
    }
}

/* A script by its first line that says something. */
static void append_script(GString *words, const char *script)
{
    g_auto(GStrv) lines = g_strsplit(script, "\n", -1);
    char **line = lines;
    while (*line && (*g_strstrip(*line) == '\0' || **line == '#'))
        line++;
    bool more = *line && line[1] && *line[1];
    g_string_append_printf(words, "sh: %.100s%s", *line ? *line : "", more ? " …" : "");
}

static void on_command(struct live *live, const json_t *event)
{
    g_autoptr(GString) words = g_string_new(NULL);
    size_t index;
    json_t *word;
    json_array_foreach (json_object_get(event, "argv"), index, word)
        append_word(words, json_string_value(word));
    const char *script = live_text(event, "script"), *sudo = live_text(event, "sudo");
    const char *upload = live_text(event, "upload"), *download = live_text(event, "download");
    if (script)
        append_script(words, script);
    if (upload)
        g_string_append_printf(words, "(upload of %" JSON_INTEGER_FORMAT " bytes to %s)",
                               json_get_integer(event, "bytes", 0), upload);
    if (download)
        g_string_append_printf(words, "(download of %s)", download);
    if (live_text(event, "http")) {
        live_say(live, live_text(event, "step"), STYLE_DIM, "http %s", live_text(event, "http"));
        return;
    }
    bool as_root = sudo || json_is_true(json_object_get(event, "sudo")), said = words->len > 0;
    g_string_prepend(words, as_root ? "# " : "$ ");
    const char *step = live_text(event, "step"), *host = live_text(event, "host");
    if (live_gather_command(live, step, host, words->str) && said)
        live_say(live, step, STYLE_DIM, "%s %s", host ? host : "-", words->str);
}

/* "exit 1", "host_key: the key changed" */
static char *problem_text(const json_t *event)
{
    const json_t *error = json_object_get(event, "error");
    const char *code = live_text(event, "code") ? live_text(event, "code") : live_text(error, "code");
    const char *message = json_is_string(error) ? json_string_value(error) : live_text(error, "message");
    const json_t *number = json_object_get(event, "code");
    if (message && g_str_has_prefix(message, "exit code")) /* says it already */
        code = NULL;
    if (message)
        return g_strdup_printf("%s%s%s", code ? code : "", code ? ": " : "", message);
    if (json_is_integer(number))
        return g_strdup_printf("exit %" JSON_INTEGER_FORMAT, json_integer_value(number));
    return g_strdup(code ? code : "");
}

static void tell_host(struct live *live, const json_t *event)
{
    const char *step = live_text(event, "step"), *host = live_text(event, "host"), *result = live_text(event, "result");
    g_autofree char *problem = problem_text(event);
    const json_t *stopped = strstr(problem, " stopped on ") ? NULL : json_object_get(event, "stopped");
    const char *proof = json_is_true(stopped)    ? "; the remote processes are stopped"
                        : json_is_false(stopped) ? "; could not confirm that the remote processes are stopped"
                                                 : "";
    g_autofree char *what = g_strdup_printf("%s%s%s%s", result ? result : "?", *problem ? ": " : "", problem, proof);
    if (!live_alike(live, step, host, what))
        live_say(live, step, terminal_state_style(result), "%s %s", host ? host : "-", what);
}

static void on_host(struct live *live, const json_t *event)
{
    const char *step = live_text(event, "step"), *host = live_text(event, "host"), *result = live_text(event, "result");
    flush_step(live, step, host);
    if (g_strcmp0(result, "ok") != 0)
        tell_host(live, event);
    live_gather_host(live, step, host);
}

static void on_note(struct live *live, const json_t *event)
{
    live_say(live, live_text(event, "step"), STYLE_BLUE, "note: %s",
             live_text(event, "text") ? live_text(event, "text") : "");
}

/* What a lost runner's commands left on a host, once another has looked. */
static void on_reap(struct live *live, const json_t *event)
{
    const char *text = live_text(event, "text");
    live_say(live, NULL, json_is_true(json_object_get(event, "stopped")) ? STYLE_DIM : STYLE_YELLOW, "%s",
             text ? text : "");
}

static char *duration_text(const json_t *event)
{
    static const char *const not_begun[] = {"skipped", "not_reached", NULL};
    const json_t *ms = json_object_get(event, "duration_ms");
    const char *result = live_text(event, "result");
    if (!json_is_integer(ms) || (json_integer_value(ms) == 0 && result && g_strv_contains(not_begun, result)))
        return g_strdup("");
    g_autofree char *duration = clock_duration_format(json_integer_value(ms));
    return g_strconcat(" in ", duration, NULL);
}

static void on_retry(struct live *live, const json_t *event)
{
    g_autofree char *problem = problem_text(event);
    g_autofree char *delay = clock_duration_format(json_get_integer(event, "delay_ms", 0));
    flush_step(live, live_text(event, "step"), NULL);
    live_say(live, live_text(event, "step"), STYLE_YELLOW, "%s; next attempt in %s", *problem ? problem : "failed",
             delay);
}

static const char *result_mark(const struct live *live, const char *result)
{
    if (!live->tty)
        return "";
    return g_strcmp0(result, "ok") == 0 ? "✔ " : g_strcmp0(result, "skipped") == 0 ? "– " : "✘ ";
}

static void on_step_end(struct live *live, const json_t *event)
{
    const char *step = live_text(event, "step"), *result = live_text(event, "result"),
               *message = live_text(event, "message");
    const json_t *error = json_object_get(event, "error");
    flush_step(live, step, NULL);
    live_gather_end(live);
    g_autofree char *problem = problem_text(event);
    g_autofree char *duration = duration_text(event);
    const char *why = *problem ? problem : message ? message : "";
    live_say(live, step, terminal_state_style(result), "%s%s%s%s%s", result_mark(live, result), result ? result : "?",
             duration, *why ? ": " : "", why);
    if (live_text(error, "file") && json_is_integer(json_object_get(error, "line")))
        live_say(live, step, STYLE_DIM, "at %s:%" JSON_INTEGER_FORMAT, live_text(error, "file"),
                 json_get_integer(error, "line", 0));
}

static void set_state(struct live *live, const char *state)
{
    if (!state)
        return;
    g_free(live->state);
    live->state = g_strdup(state);
}

/* What the approver fills in. */
static void say_asks(struct live *live, const char *step, const json_t *asks)
{
    size_t index;
    json_t *ask;
    json_array_foreach (asks, index, ask) {
        const json_t *choices = json_object_get(ask, "choices");
        g_autofree char *list = json_is_array(choices) ? print_value_text(choices) : NULL;
        live_say(live, step, STYLE_RESET, "asks for %s, %s%s", live_text(ask, "name"), list ? "one of " : "",
                 list ? list : live_text(ask, "type"));
    }
}

static void on_approval(struct live *live, const json_t *event)
{
    const char *step = live_text(event, "step"), *policy = live_text(event, "policy");
    const char *key;
    json_t *value;
    set_state(live, "waiting");
    live_say(live, step, STYLE_YELLOW, "waits for approval (policy %s)", policy ? policy : "-");
    if (json_array_size(json_object_get(event, "hosts"))) {
        g_autofree char *hosts = print_value_text(json_object_get(event, "hosts"));
        live_say(live, step, STYLE_RESET, "hosts: %s", hosts);
    }
    json_object_foreach (json_object_get(event, "shows"), key, value) {
        g_autofree char *shown = print_value_text(value);
        live_say(live, step, STYLE_RESET, "%s: %s", key, shown);
    }
    say_asks(live, step, json_object_get(event, "asks"));
}

static void on_delay(struct live *live, const json_t *event)
{
    g_autofree char *until = clock_format(json_get_integer(event, "until", 0));
    set_state(live, "waiting");
    live_say(live, live_text(event, "step"), STYLE_YELLOW, "waits until %s", until);
}

static void print_end(struct live *live, const char *state, const char *reason, const json_t *verified,
                      const char *message)
{
    const char *checked = json_is_true(verified) ? ", verified" : json_is_false(verified) ? ", not verified" : "";
    bool because = reason && *reason;
    g_autofree char *line =
        g_strdup_printf("%s%s%s%s%s%s%s", state, because ? " (" : "", because ? reason : "", because ? ")" : "",
                        checked, message && *message ? ": " : "", message ? message : "");
    g_autofree char *safe = terminal_clean_line(line);
    fprintf(live->out, "%s%s%s%s\n", live->tty ? "\n" : "run ", style(live, terminal_state_style(state)), safe,
            style(live, STYLE_RESET));
}

static void on_run_end(struct live *live, const json_t *event)
{
    flush_step(live, NULL, NULL);
    live_gather_end(live);
    set_state(live, live_text(event, "state"));
    print_end(live, live->state, live_text(event, "reason"), json_object_get(event, "verified"),
              live_text(event, "message"));
}

/* The server's own: a state that the runner did not tell (queued, approved, denied, expired, cancelled while waiting).
 */
static void on_run(struct live *live, const json_t *event)
{
    const char *state = live_text(event, "state");
    if (!state || g_strcmp0(state, live->state) == 0)
        return;
    bool known = run_state_is_final(live->state);
    set_state(live, state);
    if (run_state_is_final(state) && !known)
        print_end(live, state, live_text(event, "reason"), NULL, live_text(event, "text"));
}

static void on_step(struct live *live, const json_t *event)
{
    const char *state = live_text(event, "result") ? live_text(event, "result") : live_text(event, "state"),
               *why = live_text(event, "text");
    if (why || live_text(event, "result"))
        live_say(live, live_text(event, "step"), terminal_state_style(state), "%s%s%s", state ? state : "",
                 state && why ? ": " : "", why ? why : "");
    if (live_text(event, "approval") && g_strcmp0(live_text(event, "state"), "waiting") == 0)
        live_say(live, live_text(event, "step"), STYLE_YELLOW, "to decide: hikeshi approvals approve %s",
                 live_text(event, "approval"));
}

static const struct {
    const char *kind;
    void (*fn)(struct live *live, const json_t *event);
} kinds[] = {
    {"step_start", on_step_start},
    {"command", on_command},
    {"output", on_output},
    {"host", on_host},
    {"note", on_note},
    {"report", live_report},
    {"message", live_message},
    {"incident", live_incident},
    {"retry", on_retry},
    {"step_end", on_step_end},
    {"approval", on_approval},
    {"delay", on_delay},
    {"run_end", on_run_end},
    {"run", on_run},
    {"step", on_step},
    {"reap", on_reap},
};

void live_event(struct live *live, const json_t *event)
{
    const char *kind = live_apart(live, event) ? NULL : live_text(event, "kind");
    for (size_t i = 0; kind && i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(kinds[i].kind, kind) == 0)
            kinds[i].fn(live, event);
    }
    fflush(live->out);
}

void live_steps(struct live *live, const json_t *steps)
{
    size_t index;
    json_t *step;
    json_array_foreach (steps, index, step) {
        const char *id = live_text(step, "id"), *title = live_text(step, "title");
        if (id && title)
            g_hash_table_replace(live->titles, g_strdup(id), g_strdup(title));
    }
}

void live_free(struct live *live)
{
    if (!live)
        return;
    flush_step(live, NULL, NULL);
    live_gather_end(live);
    live_alike_end(live);
    live_apart_end(live);
    g_hash_table_unref(live->titles);
    g_hash_table_unref(live->partial);
    g_free(live->step);
    g_free(live->state);
    g_free(live);
}

const char *live_state(const struct live *live)
{
    return live->state;
}

bool live_ended(const struct live *live)
{
    return run_state_is_final(live->state);
}

int live_exit_status(const struct live *live)
{
    return run_exit_status(live->state);
}
