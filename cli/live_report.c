/* live_report: metrics, tables and texts of steps, and what they tell others, as the live printer shows them. */
#include "cli/live_private.h"
#include "cli/print.h"
#include <string.h>

/* A cell, safe to print. g_free. */
static char *cell_text(const json_t *row, size_t column)
{
    const json_t *cell = json_array_get(row, column);
    return cell ? print_value_text(cell) : g_strdup("");
}

static size_t column_width(const json_t *columns, const json_t *rows, size_t column)
{
    g_autofree char *name = cell_text(columns, column);
    size_t width = terminal_text_width(name), index;
    json_t *row;
    json_array_foreach (rows, index, row) {
        g_autofree char *cell = cell_text(row, column);
        width = MAX(width, terminal_text_width(cell));
    }
    return width;
}

static void report_row(struct live *live, const char *step, enum terminal_style colour, const json_t *row,
                       const GArray *widths)
{
    g_autoptr(GString) line = g_string_new(NULL);
    for (guint i = 0; i < widths->len; i++) {
        g_autofree char *cell = cell_text(row, i);
        size_t width = terminal_text_width(cell);
        g_string_append(line, cell);
        if (i + 1 < widths->len)
            g_string_append_printf(line, "%*s", (int)(g_array_index(widths, size_t, i) - width + 2), "");
    }
    live_say(live, step, colour, "%s", line->str);
}

static void report_table(struct live *live, const json_t *event)
{
    const json_t *columns = json_object_get(event, "columns"), *rows = json_object_get(event, "rows");
    g_autoptr(GArray) widths = g_array_new(FALSE, FALSE, sizeof(size_t));
    size_t index;
    json_t *row;
    for (size_t i = 0; i < json_array_size(columns); i++) {
        size_t width = column_width(columns, rows, i);
        g_array_append_val(widths, width);
    }
    report_row(live, live_text(event, "step"), STYLE_DIM, columns, widths);
    json_array_foreach (rows, index, row)
        report_row(live, live_text(event, "step"), STYLE_RESET, row, widths);
}

static void report_text(struct live *live, const json_t *event)
{
    const char *body = live_text(event, "text");
    g_auto(GStrv) lines = g_strsplit(body ? body : "", "\n", -1);
    for (size_t i = 0; lines[i]; i++) {
        if (*lines[i] || lines[i + 1])
            live_output_line(live, live_text(event, "step"), NULL, "out", lines[i], strlen(lines[i]));
    }
}

static void report_file(struct live *live, const json_t *event)
{
    g_autofree char *size = g_format_size_full((guint64)json_get_integer(event, "bytes", 0), G_FORMAT_SIZE_IEC_UNITS);
    const char *name = live_text(event, "name");
    live_say(live, live_text(event, "step"), STYLE_BOLD, "file %s, %s", name ? name : "", size);
}

void live_report(struct live *live, const json_t *event)
{
    const char *step = live_text(event, "step"), *kind = live_text(event, "report_kind"),
               *title = live_text(event, "title");
    if (g_strcmp0(kind, "metric") == 0) {
        const json_t *value = json_object_get(event, "value");
        g_autofree char *number = value ? print_value_text(value) : g_strdup("-");
        const char *unit = live_text(event, "unit");
        live_say(live, step, STYLE_BOLD, "%s: %s%s%s", title ? title : "", number,
                 unit && g_ascii_isalpha(*unit) ? " " : "", unit ? unit : "");
        return;
    }
    if (g_strcmp0(kind, "file") == 0) {
        report_file(live, event);
        return;
    }
    live_say(live, step, STYLE_BOLD, "%s", title ? title : "report");
    if (g_strcmp0(kind, "table") == 0)
        report_table(live, event);
    else
        report_text(live, event);
}

/* ---- what is told to others ---- */

void live_message(struct live *live, const json_t *event)
{
    const char *channel = live_text(event, "channel"), *text = live_text(event, "text");
    live_say(live, live_text(event, "step"), STYLE_BLUE, "message to %s: %s%s", channel ? channel : "?",
             text ? text : "", live->alone ? " (not sent: there is no server)" : "");
}

void live_incident(struct live *live, const json_t *event)
{
    const char *key = live_text(event, "key"), *title = live_text(event, "title");
    const char *severity = live_text(event, "severity");
    bool opens = g_strcmp0(live_text(event, "action"), "open") == 0;
    live_say(live, live_text(event, "step"), STYLE_BLUE, "%s the incident '%s'%s%s%s%s%s", opens ? "opens" : "resolves",
             key ? key : "?", severity ? ", " : "", severity ? severity : "", opens ? ": " : "",
             opens && title ? title : "", live->alone ? " (not done: there is no server)" : "");
}
