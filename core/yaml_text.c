/* yaml_text: YAML 1.2.2, sections 6.5 (folding), 7.3 (flow scalars), 8.1 (block scalars). */
#include "core/yaml_text.h"
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whole texts */

bool yaml_text_valid(const char *text, size_t length, int *ret_line, int *ret_column)
{
    const char *bad;
    if (g_utf8_validate_len(text, length, &bad))
        return true;
    *ret_line = *ret_column = 1;
    for (const char *at = text; at < bad; at++) {
        *ret_line += *at == '\n';
        *ret_column = *at == '\n' ? 1 : *ret_column + 1;
    }
    return false;
}

const char *yaml_text_normal(const char *text, size_t *length, char **ret_copy)
{
    *ret_copy = NULL;
    if (*length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        *length -= 3;
    }
    if (memchr(text, '\r', *length) == NULL)
        return text;
    char *copy = g_malloc(*length + 1), *out = copy;
    for (size_t i = 0; i < *length; i++) {
        if (text[i] != '\r')
            *out++ = text[i];
        else if (i + 1 == *length || text[i + 1] != '\n')
            *out++ = '\n';
    }
    *length = (size_t)(out - copy);
    return *ret_copy = copy;
}

/* Flow scalars */

/* At a newline: drops the blanks before it (not below `keep`, which escapes wrote), skips it with the blanks and empty
 * lines after it, and writes what they fold to: a space, or one newline less than there were. Returns where the text
 * goes on. */
static size_t fold(GString *text, size_t keep, const char *raw, size_t length, size_t at)
{
    while (text->len > keep && is_blank(text->str[text->len - 1]))
        g_string_truncate(text, text->len - 1);
    size_t newlines = 0;
    for (; at < length && (is_blank(raw[at]) || raw[at] == '\n'); at++)
        newlines += raw[at] == '\n';
    if (newlines == 1)
        g_string_append_c(text, ' ');
    for (; newlines > 1; newlines--)
        g_string_append_c(text, '\n');
    return at;
}

void yaml_text_plain(GString *text, const char *raw, size_t length)
{
    for (size_t at = 0; at < length;) {
        if (raw[at] == '\n')
            at = fold(text, 0, raw, length, at);
        else
            g_string_append_c(text, raw[at++]);
    }
}

void yaml_text_single_quoted(GString *text, const char *raw, size_t length)
{
    for (size_t at = 0; at < length;) {
        if (raw[at] == '\n') {
            at = fold(text, 0, raw, length, at);
        } else {
            g_string_append_c(text, raw[at]);
            at += raw[at] == '\'' ? 2 : 1; /* a quote is always doubled here */
        }
    }
}

static const struct {
    char letter;
    gunichar character;
} escapes[] = {
    {'0', 0},    {'a', 0x07},  {'b', 0x08}, {'t', 0x09}, {'\t', 0x09},  {'n', 0x0a},
    {'v', 0x0b}, {'f', 0x0c},  {'r', 0x0d}, {'e', 0x1b}, {' ', 0x20},   {'"', 0x22},
    {'/', 0x2f}, {'\\', 0x5c}, {'N', 0x85}, {'_', 0xa0}, {'L', 0x2028}, {'P', 0x2029},
};

static gunichar hex(const char *raw, size_t length, size_t at, size_t digits)
{
    gunichar value = 0;
    for (size_t i = at; i < at + digits && i < length; i++)
        value = value << 4 | (gunichar)(g_ascii_isxdigit(raw[i]) ? g_ascii_xdigit_value(raw[i]) : 0);
    return value;
}

/* \x41, \u00e9, \U0001F600 at the letter. Two \u of a surrogate pair, as JSON writes them, are one character. */
static size_t append_numbered(GString *text, const char *raw, size_t length, size_t at)
{
    size_t digits = raw[at] == 'x' ? 2 : raw[at] == 'u' ? 4 : 8;
    gunichar character = hex(raw, length, at + 1, digits);
    at += 1 + digits;
    if (character >= 0xd800 && character < 0xdc00 && at + 5 < length && raw[at] == '\\' && raw[at + 1] == 'u') {
        gunichar low = hex(raw, length, at + 2, 4);
        if (low >= 0xdc00 && low < 0xe000) {
            character = 0x10000 + ((character - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
    }
    g_string_append_unichar(text, g_unichar_validate(character) ? character : 0xfffd);
    return MIN(at, length);
}

/* At the character after a backslash. */
static size_t append_escape(GString *text, const char *raw, size_t length, size_t at)
{
    if (strchr("xuU", raw[at]) != NULL)
        return append_numbered(text, raw, length, at);
    for (size_t i = 0; i < G_N_ELEMENTS(escapes); i++)
        if (escapes[i].letter == raw[at]) {
            if (escapes[i].character == 0)
                g_string_append_c(text, '\0'); /* refused by the caller, with its place */
            else
                g_string_append_unichar(text, escapes[i].character);
        }
    return at + 1;
}

/* At an escaped newline: the lines are joined without a space; empty lines after it still count. */
static size_t join(GString *text, const char *raw, size_t length, size_t at)
{
    for (at++; at < length && (is_blank(raw[at]) || raw[at] == '\n'); at++)
        if (raw[at] == '\n')
            g_string_append_c(text, '\n');
    return at;
}

void yaml_text_double_quoted(GString *text, const char *raw, size_t length)
{
    size_t keep = 0;
    for (size_t at = 0; at < length;) {
        if (raw[at] == '\\' && at + 1 < length) {
            at = raw[at + 1] == '\n' ? join(text, raw, length, at + 1) : append_escape(text, raw, length, at + 1);
            keep = text->len;
        } else if (raw[at] == '\n') {
            at = fold(text, keep, raw, length, at);
        } else {
            g_string_append_c(text, raw[at++]);
        }
    }
}

/* Block scalars */

void yaml_text_header(const char *from, size_t length, int parent, struct yaml_block *ret)
{
    size_t at = 0;
    while (at < length && from[at] != '|' && from[at] != '>')
        at++;
    *ret = (struct yaml_block){.folded = at < length && from[at] == '>'};
    for (at++; at < length && (from[at] == '-' || from[at] == '+' || g_ascii_isdigit(from[at])); at++)
        if (g_ascii_isdigit(from[at]))
            ret->indent = MAX(parent, 0) + (from[at] - '0');
        else
            ret->chomping = from[at];
}

/* The columns of the first line that has text; a block of empty lines has those of its longest. */
static int first_indent(const char *raw, size_t length, bool *ret_empty)
{
    int spaces = 0, longest = 0;
    *ret_empty = true;
    for (size_t at = 0; at < length && *ret_empty; at++) {
        if (raw[at] == ' ') {
            spaces++;
        } else if (raw[at] == '\n') {
            longest = MAX(longest, spaces);
            spaces = 0;
        } else {
            *ret_empty = false;
        }
    }
    return *ret_empty ? longest : spaces;
}

/* The next line without its indentation. False at the end; blanks without a newline are the indentation of what
 * follows. */
static bool next_line(const char **raw, const char *end, int indent, const char **ret_line, size_t *ret_length,
                      bool *ret_newline)
{
    const char *newline = memchr(*raw, '\n', (size_t)(end - *raw)), *stop = newline != NULL ? newline : end,
               *line = *raw;
    for (int i = 0; i < indent && line < stop && *line == ' '; i++)
        line++;
    *raw = newline != NULL ? newline + 1 : end;
    *ret_line = line;
    *ret_length = (size_t)(stop - line);
    *ret_newline = newline != NULL;
    while (newline == NULL && line < stop && is_blank(*line))
        line++;
    return newline != NULL || line < stop;
}

bool yaml_text_block(GString *text, const char *raw, size_t length, const struct yaml_block *block, int parent)
{
    bool empty;
    int indent = first_indent(raw, length, &empty);
    if (!empty && indent <= parent)
        return false;
    if (block->indent > 0)
        indent = block->indent;
    const char *end = raw + length, *line;
    size_t line_length, empty_lines = 0;
    bool newline, pending = false, before_indented = true;
    while (next_line(&raw, end, indent, &line, &line_length, &newline)) {
        if (line_length == 0) {
            empty_lines++;
            continue;
        }
        bool indented = is_blank(*line);
        if (pending && !(block->folded && !before_indented && !indented))
            g_string_append_c(text, '\n');
        else if (pending && empty_lines == 0)
            g_string_append_c(text, ' ');
        for (; empty_lines > 0; empty_lines--)
            g_string_append_c(text, '\n');
        g_string_append_len(text, line, (gssize)line_length);
        before_indented = indented;
        pending = newline;
    }
    if (pending && block->chomping != '-')
        g_string_append_c(text, '\n');
    for (; empty_lines > 0 && block->chomping == '+'; empty_lines--)
        g_string_append_c(text, '\n');
    return true;
}
