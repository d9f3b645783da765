/* print: what listings look like: aligned columns for people, one JSON object for machines. To stdout. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include "core/json.h"
#include <glib.h>
#include <stdint.h>

/* One JSON value: indented on a terminal, else compact; with a newline. */
void print_json(const json_t *value);
void print_json_line(const json_t *value); /* always one line, flushed: for --follow */

/* A table. `headers` is a NULL-terminated static list; a header that begins with '*' is a state, shown in its colour.
 * Cells are made safe for a terminal here. The last column is cut to the terminal's width; nothing is cut when stdout
 * is no terminal. */
struct print_table;
struct print_table *print_table_new(const char *const *headers);
/* The value at `path` in each column's place: NULL cells print as "-". */
void print_table_row(struct print_table *table, const char *const *cells);
/* Prints and frees. With no rows prints `empty` instead ("no runs"). */
void print_table_end(struct print_table *table, const char *empty);

/* One row for each object of `items`: cells are the scalars at `paths` (NULL-terminated, like the headers). */
void print_items(const json_t *items, const char *const *headers, const char *const *paths, const char *empty);

/* "name: value" lines of a details page; nothing when the value is absent or null. Lists are joined with ", ". */
void print_field(const char *name, const json_t *value);
/* A value for people: scalars as text, lists joined, objects as "k=v k=v". Caller frees with g_free. Safe to print. */
char *print_value_text(const json_t *value);

#endif
