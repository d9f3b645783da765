/* terminal: colours, width, and the filter between hostile text and a person's terminal. */
#include "cli/terminal.h"
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *const styles[STYLE_COUNT] = {
    [STYLE_RESET] = "\033[0m", [STYLE_BOLD] = "\033[1m",     [STYLE_DIM] = "\033[2m",
    [STYLE_RED] = "\033[31m",  [STYLE_GREEN] = "\033[32m",   [STYLE_YELLOW] = "\033[33m",
    [STYLE_BLUE] = "\033[34m", [STYLE_MAGENTA] = "\033[35m", [STYLE_CYAN] = "\033[36m",
};

bool terminal_is_tty(FILE *stream)
{
    return isatty(fileno(stream));
}

bool terminal_has_colour(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return terminal_is_tty(stream) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

size_t terminal_width(FILE *stream)
{
    struct winsize size;
    guint64 columns = 80;
    const char *variable = getenv("COLUMNS");
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        columns = size.ws_col;
    else if (variable && !g_ascii_string_to_unsigned(variable, 10, 1, 10000, &columns, NULL))
        columns = 80;
    return columns < 20 ? 20 : (size_t)columns;
}

const char *terminal_style(FILE *stream, enum terminal_style style)
{
    return terminal_has_colour(stream) ? styles[style] : "";
}

enum terminal_style terminal_state_style(const char *state)
{
    static const struct {
        const char *state;
        enum terminal_style style;
    } table[] = {
        {"ok", STYLE_GREEN},
        {"succeeded", STYLE_GREEN},
        {"resolved", STYLE_GREEN},
        {"approved", STYLE_GREEN},
        {"failed", STYLE_RED},
        {"denied", STYLE_RED},
        {"expired", STYLE_RED},
        {"timed_out", STYLE_RED},
        {"not_reached", STYLE_RED},
        {"unknown", STYLE_MAGENTA},
        {"triggered", STYLE_RED},
        {"running", STYLE_BLUE},
        {"waiting", STYLE_YELLOW},
        {"queued", STYLE_DIM},
        {"retrying", STYLE_YELLOW},
        {"cancelled", STYLE_YELLOW},
        {"skipped", STYLE_DIM},
        {"suppressed", STYLE_DIM},
        {"acknowledged", STYLE_YELLOW},
        {"firing", STYLE_RED},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (g_strcmp0(table[i].state, state) == 0)
            return table[i].style;
    }
    return STYLE_RESET;
}

/* The length of the escape sequence at text[0] == ESC: CSI, OSC and its relatives, or ESC and one more byte.
 * *ret_colour: SGR. */
static size_t sequence_length(const char *text, size_t length, bool *ret_colour)
{
    *ret_colour = false;
    if (length < 2)
        return length;
    size_t i = 2;
    if (text[1] == '[') {
        bool plain = true; /* only digits, ';' and ':': a private marker makes it something else than SGR */
        while (i < length && (unsigned char)text[i] >= 0x20 && (unsigned char)text[i] <= 0x3f) {
            plain = plain && (g_ascii_isdigit(text[i]) || text[i] == ';' || text[i] == ':');
            i++;
        }
        if (i < length && (unsigned char)text[i] >= 0x40 && (unsigned char)text[i] <= 0x7e) {
            *ret_colour = plain && text[i] == 'm';
            i++;
        }
        return i;
    }
    if (strchr("]PX^_", text[1])) { /* strings, up to BEL or ESC \ */
        for (; i < length; i++) {
            if (text[i] == '\a')
                return i + 1;
            if (text[i] == '\033')
                return i + 1 < length && text[i + 1] == '\\' ? i + 2 : i;
            if (text[i] == '\n')
                return i; /* unterminated: do not swallow what follows the line */
        }
        return length;
    }
    while (i < length && (unsigned char)text[i - 1] >= 0x20 && (unsigned char)text[i - 1] <= 0x2f &&
           (unsigned char)text[i] < 0x7f)
        i++; /* charset selection: ESC ( B */
    /* A byte from 0x80 up begins a character, which must stay whole. */
    return (unsigned char)text[1] >= 0x20 && (unsigned char)text[1] < 0x7f ? i : 1;
}

/* Characters that reorder or hide what stands around them. */
static bool is_deceptive(gunichar c)
{
    return (c >= 0x80 && c <= 0x9f) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x061c || (c >= 0xe0000 && c <= 0xe007f);
}

static void append_control(GString *out, gunichar c)
{
    if (c < 0x80)
        g_string_append_printf(out, "\\x%02x", c);
    else
        g_string_append_printf(out, "\\u{%x}", c);
}

char *terminal_clean(const char *text, size_t length, enum terminal_clean mode)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
    GString *out = g_string_sized_new(length + 8);
    bool coloured = false;
    for (const char *p = valid, *end = valid + strlen(valid); p < end;) {
        if (*p == '\033') {
            bool colour;
            size_t skip = sequence_length(p, (size_t)(end - p), &colour);
            if (colour && mode == TERMINAL_COLOUR) {
                g_string_append_len(out, p, (gssize)skip);
                coloured = true;
            }
            p += skip;
            continue;
        }
        gunichar c = g_utf8_get_char(p);
        const char *next = g_utf8_next_char(p);
        if (c == '\r' && next < end && *next == '\n')
            ; /* CRLF is a newline */
        else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || is_deceptive(c))
            append_control(out, c);
        else
            g_string_append_len(out, p, next - p);
        p = next;
    }
    if (coloured)
        g_string_append(out, styles[STYLE_RESET]);
    return g_string_free(out, FALSE);
}

char *terminal_clean_line(const char *text)
{
    char *line = terminal_clean(text, strlen(text), TERMINAL_PLAIN);
    return g_strdelimit(line, "\n\t", ' ');
}

size_t terminal_text_width(const char *text)
{
    size_t width = 0;
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (!g_unichar_iszerowidth(c))
            width += g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}
