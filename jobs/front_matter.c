/* front_matter: finds the lines that fence the settings at the top of a file. */
#include "jobs/front_matter.h"
#include <string.h>

struct lines {
    const char *text;
    size_t length, at;
};

/* The next line without its end (LF, CRLF or CR). */
static bool next_line(struct lines *lines, const char **ret_line, size_t *ret_length)
{
    if (lines->at >= lines->length)
        return false;
    size_t start = lines->at, end = start;
    while (end < lines->length && lines->text[end] != '\n' && lines->text[end] != '\r')
        end++;
    lines->at = end;
    if (end < lines->length)
        lines->at += lines->text[end] == '\r' && end + 1 < lines->length && lines->text[end + 1] == '\n' ? 2 : 1;
    *ret_line = lines->text + start;
    *ret_length = end - start;
    return true;
}

/* Is the line exactly this marker, but for spaces behind it? */
static bool is_marker(const char *line, size_t length, const char *marker)
{
    while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    return length == strlen(marker) && memcmp(line, marker, length) == 0;
}

static bool is_hikeshi_key(const char *line, size_t length)
{
    return length >= 8 && memcmp(line, "hikeshi:", 8) == 0;
}

/* "word:": what tells an unclosed front matter from a ruled line. */
static bool is_key(const char *line, size_t length)
{
    size_t i = 0;
    while (i < length && (line[i] == '_' || line[i] == '-' || (line[i] >= 'a' && line[i] <= 'z') ||
                          (line[i] >= 'A' && line[i] <= 'Z')))
        i++;
    return i > 0 && i < length && line[i] == ':';
}

struct front_matter front_matter_find(const char *text, size_t length)
{
    struct front_matter found = {0};
    bool bom = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    found.body = bom ? 3 : 0;
    struct lines lines = {text, length, found.body};
    const char *line;
    size_t size;
    if (!next_line(&lines, &line, &size))
        return found;
    bool yaml = is_marker(line, size, "---");
    if (!yaml && !is_marker(line, size, "+++"))
        return found;
    found.start = lines.at;
    bool key_first = false;
    for (int number = 2; next_line(&lines, &line, &size); number++) {
        if (number == 2)
            key_first = is_key(line, size);
        if (is_marker(line, size, yaml ? "---" : "+++") || (yaml && is_marker(line, size, "..."))) {
            found.kind = yaml ? FRONT_MATTER_YAML : FRONT_MATTER_TOML;
            found.length = (size_t)(line - text) - found.start;
            found.body = lines.at;
            found.body_line = number;
            return found;
        }
        found.says_hikeshi = found.says_hikeshi || (yaml && is_hikeshi_key(line, size));
    }
    if (yaml && key_first)
        found.kind = FRONT_MATTER_OPEN;
    found.start = 0;
    return found;
}
