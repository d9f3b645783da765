#include "jobs/notify/pagerduty_text.h"
#include "core/clock.h"
#include "jobs/sources/sources.h"
#include <string.h>

#define MAX_BYTES 20000
#define MAX_RUNS  10 /* the last ones, in full */
#define MAX_NOTES 20 /* and as many reports, of one run */
#define MAX_ROWS  10 /* of one report */

char *pagerduty_text_marker(const json_t *incident)
{
    return g_strconcat(PAGERDUTY_NOTE_MARKER, json_get_string(incident, "id", "?"), NULL);
}

/* Text of hosts, alerts and runbooks: one line each. */
static void append_line(GString *text, const char *prefix, const char *line)
{
    g_autofree char *copy = g_strdup(line);
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    g_string_append_printf(text, "%s%s\n", prefix, g_strstrip(copy));
}

static void append_step(GString *text, const json_t *step)
{
    const char *result = json_get_string(step, "result", NULL), *state = json_get_string(step, "state", "pending");
    const char *title = json_get_string(step, "title", json_get_string(step, "id", "?"));
    const char *problem = json_path_string(step, "error.message"), *host = json_path_string(step, "error.host");
    int64_t ms = json_get_string(step, "started_at", NULL) ? json_get_integer(step, "duration_ms", -1) : -1;
    g_autofree char *duration = ms >= 0 ? clock_duration_format(ms) : NULL;
    if (problem && host && strstr(problem, host)) /* most messages name it */
        host = NULL;
    g_autofree char *line = g_strdup_printf(
        "%s: %s%s%s%s%s%s%s", title, result ? result : state, duration ? " in " : "", duration ? duration : "",
        problem ? ": " : "", problem ? problem : "", host && problem ? " on " : "", host && problem ? host : "");
    append_line(text, "  - ", line);
}

static void append_row(GString *text, const json_t *row)
{
    g_autoptr(GString) line = g_string_new(NULL);
    size_t i;
    json_t *cell;
    json_array_foreach (row, i, cell) {
        g_autofree char *word = json_scalar_text(cell);
        g_string_append_printf(line, "%s%s", i ? " | " : "", word);
    }
    append_line(text, "    ", line->str);
}

static void append_report(GString *text, const json_t *report)
{
    if (g_strcmp0(json_get_string(report, "kind", NULL), "file") == 0) {
        g_autofree char *size =
            g_format_size_full((guint64)json_get_integer(report, "bytes", 0), G_FORMAT_SIZE_IEC_UNITS);
        g_autofree char *words = g_strdup_printf("file %s, %s", json_get_string(report, "name", "?"), size);
        append_line(text, "  ", words);
        return;
    }
    const json_t *value = json_object_get(report, "value"), *rows = json_object_get(report, "rows");
    g_autofree char *number = json_scalar_text(value);
    const char *unit = json_get_string(report, "unit", ""), *words = json_get_string(report, "text", NULL);
    g_autofree char *head = g_strdup_printf("%s:%s%s%s%s", json_get_string(report, "title", "?"), *number ? " " : "",
                                            number, *number && *unit ? " " : "", *number ? unit : "");
    append_line(text, "  ", head);
    if (json_is_array(rows))
        append_row(text, json_object_get(report, "columns"));
    for (size_t i = 0; i < MIN(json_array_size(rows), (size_t)MAX_ROWS); i++)
        append_row(text, json_array_get(rows, i));
    g_auto(GStrv) lines = words ? g_strsplit(words, "\n", MAX_ROWS + 1) : NULL;
    for (size_t i = 0; lines && lines[i] && i < MAX_ROWS; i++)
        append_line(text, "    ", lines[i]);
    bool more = json_array_size(rows) > MAX_ROWS || (lines && g_strv_length(lines) > MAX_ROWS && *lines[MAX_ROWS]);
    if (more)
        append_line(text, "    ", "... more in the run");
}

static void append_approval(GString *text, const json_t *run, const json_t *step)
{
    const char *approval = json_get_string(step, "approval", NULL);
    if (!approval || g_strcmp0(json_get_string(step, "state", NULL), "waiting") != 0 ||
        g_strcmp0(json_get_string(run, "state", NULL), "waiting") != 0)
        return;
    g_string_append_printf(
        text, "    waits for approval: hikeshi approvals show %s, then hikeshi approvals approve|deny %s\n", approval,
        approval);
}

static const char *verdict(const json_t *run)
{
    const json_t *verified = json_object_get(run, "verified");
    return json_is_true(verified) ? ", verified" : json_is_false(verified) ? ", NOT verified" : "";
}

static void append_run(GString *text, const json_t *run)
{
    const char *reason = json_get_string(run, "reason", NULL), *url = json_get_string(run, "url", NULL);
    g_autofree char *head =
        g_strdup_printf("%s: %s%s%s%s", json_get_string(run, "title", json_get_string(run, "runbook", "?")),
                        json_get_string(run, "state", "?"), verdict(run), reason ? ", " : "", reason ? reason : "");
    g_string_append_c(text, '\n');
    append_line(text, "", head);
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(run, "steps"), i, item) {
        if (g_strcmp0(json_get_string(item, "state", NULL), "pending") != 0)
            append_step(text, item);
        append_approval(text, run, item);
    }
    json_array_foreach (json_object_get(run, "reports"), i, item)
        if (i < MAX_NOTES)
            append_report(text, item);
    json_array_foreach (json_object_get(run, "notes"), i, item)
        if (i < MAX_NOTES)
            append_line(text, "  note: ", json_get_string(item, "text", ""));
    json_array_foreach (json_object_get(run, "messages"), i, item)
        if (i < MAX_NOTES)
            append_line(text, "  ", json_get_string(item, "text", ""));
    if (url)
        append_line(text, "  ", url);
}

static void append_documents(GString *text, const json_t *incident)
{
    size_t i;
    json_t *document;
    json_array_foreach (json_object_get(incident, "documents"), i, document)
        if (i < 10)
            append_line(text, i ? "  " : "\nRead: ", json_get_string(document, "path", ""));
}

char *pagerduty_text(const struct notify_message *message)
{
    g_autofree char *marker = pagerduty_text_marker(message->incident);
    GString *text = g_string_new(marker);
    size_t count = json_array_size(message->runs), i;
    json_t *run;
    g_string_append_printf(text, "%s%s\n", message->base_url ? " at " : "", message->base_url ? message->base_url : "");
    if (count > MAX_RUNS)
        g_string_append_printf(text, "\n%zu earlier runs are not listed here.\n", count - MAX_RUNS);
    json_array_foreach ((json_t *)message->runs, i, run)
        if (i + MAX_RUNS >= count)
            append_run(text, run);
    append_documents(text, message->incident);
    if (text->len > MAX_BYTES) {
        g_autofree char *cut = g_utf8_make_valid(text->str, MAX_BYTES);
        g_string_printf(text, "%s\n[cut]", cut);
    }
    return g_string_free(text, FALSE);
}
