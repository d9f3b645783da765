#include "core/yaml_lines.h"
#include "core/yaml_build.h"
#include <string.h>

#define LINES_BYTES 4096 /* longer texts are worth a parser */

/* Bytes of a key. */
static size_t key_length(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && (g_ascii_islower(*at) || *at == '_'))
        at++;
    return (size_t)(at - start);
}

/* Bytes of a plain scalar without anything that YAML gives a meaning to. */
static size_t word_length(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && (g_ascii_isalnum(*at) || *at == '$' || (at > start && strchr("_./-", *at) && *at)))
        at++;
    return (size_t)(at - start);
}

struct line {
    size_t indent, key, word; /* lengths */
};

/* The line at `at`, and where the next begins; NULL: it is something else. */
static const char *read_line(const char *at, const char *end, struct line *ret)
{
    const char *start = at;
    while (at < end && *at == ' ')
        at++;
    ret->indent = (size_t)(at - start);
    ret->key = key_length(at, end);
    at += ret->key;
    if (ret->key == 0 || end - at < 2 || at[0] != ':' || at[1] != ' ')
        return NULL;
    at += 2;
    ret->word = word_length(at, end);
    at += ret->word;
    return ret->word > 0 && at < end && *at == '\n' ? at + 1 : NULL;
}

bool yaml_lines_are(const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    struct line first, line;
    if (length == 0 || length > LINES_BYTES || !read_line(at, end, &first))
        return false;
    while (at && at < end)
        if ((at = read_line(at, end, &line)) && line.indent != first.indent)
            return false;
    return at != NULL;
}

static bool add_scalar(struct yaml_builder *builder, GString *scalar, const char *text, size_t length, int line,
                       size_t column, GError **error)
{
    const struct yaml_event at = {.line = line, .column = (int)column, .plain = true};
    g_string_truncate(scalar, 0);
    g_string_append_len(scalar, text, (gssize)length);
    return yaml_build_scalar(builder, &at, scalar, error);
}

static bool add_lines(struct yaml_builder *builder, const char *text, size_t length, int number, GError **error)
{
    g_autoptr(GString) scalar = g_string_new(NULL);
    struct line line;
    bool fine = true;
    for (const char *at = text, *next; at < text + length && fine; at = next, number++) {
        next = read_line(at, text + length, &line);
        size_t word = line.indent + line.key + 2;
        fine = add_scalar(builder, scalar, at + line.indent, line.key, number, line.indent + 1, error) &&
               add_scalar(builder, scalar, at + word, line.word, number, word + 1, error);
    }
    return fine;
}

struct yaml_document *yaml_lines_read(const char *text, size_t length, const char *file, int line_offset,
                                      GError **error)
{
    struct yaml_builder *builder = yaml_builder_new(file);
    const struct yaml_event map = {.line = 1 + line_offset, .column = (int)strspn(text, " ") + 1};
    yaml_build_begin(builder);
    bool fine = yaml_build_open(builder, &map, YAML_MAP, error) &&
                add_lines(builder, text, length, 1 + line_offset, error) && yaml_build_close(builder, error);
    struct yaml_document *document = fine ? yaml_build_finish(builder, 1 + line_offset) : NULL;
    yaml_builder_free(builder);
    return document;
}
