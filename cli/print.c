/* print: tables, details and JSON on standard output. Knows no command. */
#include "cli/print.h"
#include "cli/terminal.h"
#include <stdio.h>
#include <string.h>

/* JSON escapes what is below U+0020; a terminal acts upon more than that. Programs get the text as it is. */
static void print_text(char *text)
{
    g_autofree char *plain = text;
    g_autofree char *clean = terminal_is_tty(stdout) ? terminal_clean(text, strlen(text), TERMINAL_PLAIN) : NULL;
    printf("%s\n", clean ? clean : plain);
}

void print_json(const json_t *value)
{
    print_text(terminal_is_tty(stdout) ? json_text_pretty(value) : json_text(value));
}

void print_json_line(const json_t *value)
{
    print_text(json_text(value));
    fflush(stdout);
}

struct print_table {
    const char *const *headers;
    size_t columns;
    size_t *widths;
    GPtrArray *rows; /* char** of `columns` cells */
};

static const char *header_text(const char *header)
{
    return header + (*header == '*');
}

struct print_table *print_table_new(const char *const *headers)
{
    struct print_table *table = g_new0(struct print_table, 1);
    table->headers = headers;
    while (headers[table->columns])
        table->columns++;
    table->widths = g_new0(size_t, table->columns);
    for (size_t i = 0; i < table->columns; i++)
        table->widths[i] = terminal_text_width(header_text(headers[i]));
    table->rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    return table;
}

void print_table_row(struct print_table *table, const char *const *cells)
{
    char **row = g_new0(char *, table->columns + 1);
    for (size_t i = 0; i < table->columns; i++) {
        row[i] = cells[i] ? terminal_clean_line(cells[i]) : g_strdup("-");
        table->widths[i] = MAX(table->widths[i], terminal_text_width(row[i]));
    }
    g_ptr_array_add(table->rows, row);
}

/* Prints at most `room` columns of text; an ellipsis stands for what was cut. */
static void print_cut(const char *text, size_t room)
{
    if (terminal_text_width(text) <= room) {
        fputs(text, stdout);
        return;
    }
    size_t width = 0;
    const char *p = text;
    for (; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        size_t add = g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
        if (width + add > room - 1)
            break;
        width += add;
    }
    printf("%.*s…", (int)(p - text), text);
}

static void print_cell(const struct print_table *table, const char *text, size_t column, size_t room, const char *style)
{
    bool last = column + 1 == table->columns;
    fputs(style, stdout);
    if (last && room)
        print_cut(text, room);
    else
        fputs(text, stdout);
    fputs(*style ? terminal_style(stdout, STYLE_RESET) : "", stdout);
    if (last)
        putchar('\n');
    else
        printf("%*s", (int)(table->widths[column] - terminal_text_width(text) + 2), "");
}

void print_table_end(struct print_table *table, const char *empty)
{
    size_t before_last = 0;
    for (size_t i = 0; i + 1 < table->columns; i++)
        before_last += table->widths[i] + 2;
    size_t width = terminal_width(stdout);
    size_t room = !terminal_is_tty(stdout) ? 0 : width > before_last + 8 ? width - before_last : 8;
    if (table->rows->len == 0) {
        printf("%s\n", empty);
    } else {
        for (size_t i = 0; i < table->columns; i++)
            print_cell(table, header_text(table->headers[i]), i, room, terminal_style(stdout, STYLE_DIM));
    }
    for (guint r = 0; r < table->rows->len; r++) {
        char **row = table->rows->pdata[r];
        for (size_t i = 0; i < table->columns; i++) {
            bool state = table->headers[i][0] == '*';
            enum terminal_style style = state ? terminal_state_style(row[i]) : STYLE_RESET;
            print_cell(table, row[i], i, room, style == STYLE_RESET ? "" : terminal_style(stdout, style));
        }
    }
    g_ptr_array_unref(table->rows);
    g_free(table->widths);
    g_free(table);
}

void print_items(const json_t *items, const char *const *headers, const char *const *paths, const char *empty)
{
    struct print_table *table = print_table_new(headers);
    size_t index;
    json_t *item;
    json_array_foreach (items, index, item) {
        g_auto(GStrv) cells = g_new0(char *, table->columns + 1);
        for (size_t i = 0; i < table->columns; i++) {
            json_t *value = json_path(item, paths[i]);
            cells[i] = value ? print_value_text(value) : g_strdup("-");
        }
        print_table_row(table, (const char *const *)cells);
    }
    print_table_end(table, empty);
}

static void append_value(GString *out, const json_t *value, bool nested)
{
    size_t index;
    json_t *item;
    const char *key;
    if (json_is_array(value)) {
        json_array_foreach (value, index, item) {
            g_string_append(out, index ? ", " : "");
            append_value(out, item, true);
        }
    } else if (json_is_object(value) && !nested) {
        json_object_foreach ((json_t *)value, key, item) {
            g_string_append_printf(out, "%s%s=", out->len ? " " : "", key);
            append_value(out, item, true);
        }
    } else if (json_is_object(value)) {
        g_autofree char *text = json_text(value);
        g_string_append(out, text);
    } else {
        g_autofree char *text = json_scalar_text(value);
        g_string_append(out, text);
    }
}

char *print_value_text(const json_t *value)
{
    g_autoptr(GString) out = g_string_new(NULL);
    append_value(out, value, false);
    return terminal_clean_line(out->str);
}

void print_field(const char *name, const json_t *value)
{
    if (!value || json_is_null(value))
        return;
    g_autofree char *text = print_value_text(value);
    printf("%s%-14s%s %s\n", terminal_style(stdout, STYLE_DIM), name, terminal_style(stdout, STYLE_RESET), text);
}
