/* exec_view: see exec_view.h. */
#include "cli/exec_view.h"
#include "cli/live.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "core/host_names.h"
#include <string.h>

/* What a host has said so far, for its JSON. */
struct said {
    GByteArray *streams[2];
};

struct exec_view {
    struct live *live; /* NULL: JSON */
    GHashTable *said;  /* name → struct said*; JSON only */
    GPtrArray *failed, *not_started;
    size_t hosts;
    bool unknown;
};

static void said_free(void *pointer)
{
    struct said *said = pointer;
    for (size_t i = 0; i < G_N_ELEMENTS(said->streams); i++)
        g_byte_array_unref(said->streams[i]);
    g_free(said);
}

struct exec_view *exec_view_new(bool json)
{
    struct exec_view *view = g_new0(struct exec_view, 1);
    view->live = json ? NULL : live_new(stdout);
    view->said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, said_free);
    view->failed = g_ptr_array_new_with_free_func(g_free);
    view->not_started = g_ptr_array_new_with_free_func(g_free);
    return view;
}

void exec_view_free(struct exec_view *view)
{
    if (!view)
        return;
    live_free(view->live);
    g_hash_table_unref(view->said);
    g_ptr_array_unref(view->failed);
    g_ptr_array_unref(view->not_started);
    g_free(view);
}

bool exec_view_failed(const struct exec_view *view)
{
    return view->failed->len > 0 || view->not_started->len > 0;
}

bool exec_view_unknown(const struct exec_view *view)
{
    return view->unknown;
}

/* ---- JSON ---- */

static struct said *said_of(struct exec_view *view, const char *host)
{
    struct said *said = g_hash_table_lookup(view->said, host);
    if (said == NULL) {
        said = g_new(struct said, 1);
        *said = (struct said){{g_byte_array_new(), g_byte_array_new()}};
        g_hash_table_insert(view->said, g_strdup(host), said);
    }
    return said;
}

static void keep_output(struct exec_view *view, const char *host, const json_t *event)
{
    const json_t *text = json_object_get(event, "text");
    bool err = strcmp(json_get_string(event, "stream", "out"), "err") == 0;
    g_byte_array_append(said_of(view, host)->streams[err], (const guint8 *)json_string_value(text),
                        (guint)json_string_length(text));
}

static void print_host(struct exec_view *view, const char *host, const json_t *event)
{
    static const char *const kept[] = {"code", "signal", "duration_ms", "truncated", "error"};
    static const char *const names[] = {"stdout", "stderr"};
    const struct said *said = said_of(view, host);
    g_autoptr(json_t) line = json_object();
    json_set_string(line, "host", host);
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        json_t *value = json_object_get(event, kept[i]);
        json_object_set_new(line, kept[i], value ? json_incref(value) : json_null());
    }
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        json_object_set_new(line, names[i],
                            json_text_value((const char *)said->streams[i]->data, said->streams[i]->len));
    print_json_line(line);
    g_hash_table_remove(view->said, host);
}

/* ---- people ---- */

static void show(struct exec_view *view, const json_t *event)
{
    /* The one step has no heading, and the words are those of the command line. */
    static const char *const known[] = {"step", "argv", "sudo"};
    g_autoptr(json_t) plain = json_copy((json_t *)(uintptr_t)event);
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
        json_object_del(plain, known[i]);
    live_event(view->live, plain);
}

static void show_end(struct exec_view *view, const char *host, const json_t *event)
{
    if (json_get_bool(event, "truncated", false)) {
        g_autoptr(json_t) note = json_pack("{s:s, s:s, s:s, s:s}", "kind", "output", "host", host, "stream", "err",
                                           "text", "(more output was left out)\n");
        live_event(view->live, note);
    }
    show(view, event);
}

static void append_names(GString *text, const char *what, const GPtrArray *names)
{
    if (names->len == 0)
        return;
    g_autofree char *folded = host_names_fold(names);
    g_string_append_printf(text, ", %u %s: %s", names->len, what, folded);
}

static void tell_summary(const struct exec_view *view)
{
    g_autoptr(GString) text = g_string_new(NULL);
    size_t bad = view->failed->len + view->not_started->len;
    g_string_printf(text, "%zu of %zu hosts ok", view->hosts - bad, view->hosts);
    append_names(text, "failed", view->failed);
    append_names(text, "not started", view->not_started);
    g_autofree char *line = terminal_clean_line(text->str);
    fflush(stdout);
    fprintf(stderr, "%s\n", line);
}

/* ---- events ---- */

/* Nobody knows, or somebody knows that it was not confirmed. */
static bool is_unknown(const json_t *event)
{
    const char *code = json_path_string(event, "error.code"), *message = json_path_string(event, "error.message");
    return strcmp(json_get_string(event, "result", ""), "unknown") == 0 || g_strcmp0(code, "lost") == 0 ||
           json_is_false(json_object_get(event, "stopped")) || (message && strstr(message, "could not confirm"));
}

static void on_host(struct exec_view *view, const char *host, const json_t *event)
{
    const char *result = json_get_string(event, "result", "");
    bool started = strcmp(result, "not_reached") != 0;
    view->hosts++;
    view->unknown |= is_unknown(event);
    if (!started)
        g_ptr_array_add(view->not_started, g_strdup(host));
    else if (strcmp(result, "ok") != 0)
        g_ptr_array_add(view->failed, g_strdup(host));
    if (!view->live)
        print_host(view, host, event);
    else if (started)
        show_end(view, host, event);
}

void exec_view_event(struct exec_view *view, const json_t *event)
{
    const char *kind = json_get_string(event, "kind", ""), *host = json_get_string(event, "host", NULL);
    if (!host)
        return;
    if (strcmp(kind, "host") == 0)
        on_host(view, host, event);
    else if (strcmp(kind, "output") == 0 && !view->live)
        keep_output(view, host, event);
    else if (view->live && (strcmp(kind, "output") == 0 || strcmp(kind, "command") == 0))
        show(view, event);
}

void exec_view_end(struct exec_view *view, bool tell)
{
    bool people = view->live != NULL;
    g_clear_pointer(&view->live, live_free); /* prints what is left */
    if (people && tell && exec_view_failed(view) && view->hosts > 1)
        tell_summary(view);
}
