/* terminal: what standard output can show, and how hostile text is made safe to print. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

bool terminal_is_tty(FILE *stream);
/* A terminal, and neither NO_COLOR (https://no-color.org) nor TERM=dumb is set. */
bool terminal_has_colour(FILE *stream);
size_t terminal_width(FILE *stream); /* columns; 80 when unknown; never below 20 */

enum terminal_style {
    STYLE_RESET,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_RED,
    STYLE_GREEN,
    STYLE_YELLOW,
    STYLE_BLUE,
    STYLE_MAGENTA,
    STYLE_CYAN,
    STYLE_COUNT
};
/* The escape sequence, or "" when `stream` shows no colours. */
const char *terminal_style(FILE *stream, enum terminal_style style);
/* The style for a run's state, a step's result, or an incident's status: green ok, red failed, yellow waiting. */
enum terminal_style terminal_state_style(const char *state);

/* Text from hosts, senders and servers, safe to print: UTF-8 (bad bytes become U+FFFD); newlines and tabs kept; every
 * other control character, and every invisible one that reorders text, shown as \xNN or \u{NNNN}; escape sequences
 * removed, but for colours (SGR) with TERMINAL_COLOUR, where a reset follows. Caller frees with g_free. */
enum terminal_clean { TERMINAL_PLAIN, TERMINAL_COLOUR };
char *terminal_clean(const char *text, size_t length, enum terminal_clean mode);
/* The same on one line: newlines and tabs become spaces. */
char *terminal_clean_line(const char *text);
/* Columns that UTF-8 text takes on a terminal. */
size_t terminal_text_width(const char *text);

#endif
