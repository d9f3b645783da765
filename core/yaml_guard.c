/* yaml_guard: see the header. One pass over the bytes. */
#include "core/yaml_guard.h"
#include "core/limits.h"
#include <glib.h>
#include <stdint.h>
#include <string.h>

/* What a byte adds to its line's weight: a token begins with one of these, quotes come in pairs. */
static const uint8_t weights[256] = {
    ['['] = 2, [']'] = 2, ['{'] = 2, ['}'] = 2,  [','] = 2, [':'] = 2, ['?'] = 2,
    ['&'] = 2, ['*'] = 2, ['!'] = 2, ['\''] = 1, ['"'] = 1, ['-'] = 1,
};

struct scan {
    size_t weight;    /* of the line so far */
    size_t open;      /* brackets that were not closed, over all lines */
    size_t tag_lines; /* that begin with %TAG */
};

static void count_line(struct scan *scan, const char *line, size_t length)
{
    scan->weight = 0;
    scan->tag_lines += length >= 4 && memcmp(line, "%TAG", 4) == 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)line[i];
        scan->weight += weights[byte];
        if (byte == '[' || byte == '{')
            scan->open++;
        else if ((byte == ']' || byte == '}') && scan->open > 0)
            scan->open--;
    }
}

static const char *judge(const struct scan *scan)
{
    if (scan->weight > LIMIT_YAML_LINE_WEIGHT)
        return "too many values in one line";
    if (scan->open > LIMIT_YAML_OPEN_BRACKETS)
        return "too many brackets that are not closed";
    return scan->tag_lines > LIMIT_YAML_TAG_LINES ? "too many %TAG lines" : NULL;
}

const char *yaml_guard(const char *text, size_t length, int *ret_line)
{
    struct scan scan = {0};
    const char *end = text + length;
    for (int line = 1; text < end; line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *next = newline ? newline + 1 : end;
        count_line(&scan, text, (size_t)(next - text));
        const char *reason = judge(&scan);
        if (reason) {
            *ret_line = line;
            return reason;
        }
        text = next;
    }
    return NULL;
}
