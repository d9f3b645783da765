/* yaml: the only adapter of libfyaml: its tokens tell where things stand; yaml_text.c makes their text, yaml_build.c
 * the tree. Knows no key's meaning. */
#include "core/yaml.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/yaml_build.h"
#include "core/yaml_guard.h"
#include "core/yaml_lines.h"
#include "core/yaml_text.h"
#include <libfyaml.h>
#include <string.h>

struct reader {
    int line_offset;
    const char *text; /* prepared; the positions of tokens count in it */
    size_t token_end; /* of the last scalar in it */
    struct fy_parser *parser;
    struct fy_diag *diag;
    struct yaml_builder *builder;
    GString *scalar;  /* text of the last one */
    int line, column; /* of the last event that has a place */
};

/* The first thing that libfyaml complained about. */
static void fail_of_parser(struct reader *reader, GError **error)
{
    void *iterator = NULL;
    const struct fy_diag_error *problem = fy_diag_errors_iterate(reader->diag, &iterator);
    if (problem == NULL || problem->msg == NULL) {
        yaml_build_fail(reader->builder, reader->line, reader->column, error, "not valid YAML");
        return;
    }
    g_autofree char *message = g_utf8_make_valid(problem->msg, -1);
    yaml_build_fail(reader->builder, MAX(problem->line, 1) + reader->line_offset, MAX(problem->column, 1), error, "%s",
                    message);
}

/* Tokens */

static char *token_text(struct fy_token *token)
{
    size_t length;
    const char *text = token != NULL ? fy_token_get_text(token, &length) : NULL;
    return text != NULL ? g_strndup(text, length) : NULL;
}

static size_t end_of(struct fy_token *token)
{
    const struct fy_mark *mark = token != NULL ? fy_token_end_mark(token) : NULL;
    return mark != NULL ? mark->input_pos : 0;
}

/* The header of a block scalar stands between the token before it (a key, an anchor, a tag; else its line) and its
 * first line. */
static bool read_block(const struct reader *reader, struct fy_event *event, GString *text, size_t start, size_t end)
{
    size_t from = MAX(reader->token_end, MAX(end_of(event->scalar.anchor), end_of(event->scalar.tag)));
    const char *line = start > 1 ? memrchr(reader->text, '\n', start - 1) : NULL;
    if (line != NULL)
        from = MAX(from, (size_t)(line - reader->text));
    from = MIN(from, start);
    int parent = yaml_build_indent(reader->builder);
    struct yaml_block block;
    yaml_text_header(reader->text + from, start - from, parent, &block);
    return yaml_text_block(text, reader->text + start, end - start, &block, parent);
}

/* A scalar's text; false for a block that is not indented. */
static bool read_text(struct reader *reader, struct fy_event *event, GString *text)
{
    struct fy_token *token = event->scalar.value;
    if (token == NULL)
        return true; /* nothing: null */
    size_t start = fy_token_start_mark(token)->input_pos, end = MAX(fy_token_end_mark(token)->input_pos, start);
    const char *raw = reader->text + start;
    enum fy_scalar_style style = fy_token_scalar_style(token);
    bool fine = true;
    if (style == FYSS_LITERAL || style == FYSS_FOLDED)
        fine = read_block(reader, event, text, start, end);
    else if (style == FYSS_SINGLE_QUOTED)
        yaml_text_single_quoted(text, raw, end - start);
    else if (style == FYSS_DOUBLE_QUOTED)
        yaml_text_double_quoted(text, raw, end - start);
    else
        yaml_text_plain(text, raw, end - start);
    reader->token_end = end;
    return fine;
}

/* Events */

/* libfyaml marks a quoted scalar behind its quote and an alias behind its star. */
static int marked_late(struct fy_event *event)
{
    if (event->type == FYET_ALIAS)
        return 1;
    if (event->type != FYET_SCALAR || event->scalar.value == NULL)
        return 0;
    enum fy_scalar_style style = fy_token_scalar_style(event->scalar.value);
    return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

/* A value that is not written at all stands where its key does: libfyaml 0.7 gives it no mark, 0.8 one behind the key.
 */
static bool is_unwritten(struct fy_event *event)
{
    if (event->type != FYET_SCALAR || event->scalar.value == NULL)
        return event->type == FYET_SCALAR;
    return fy_token_get_text_length(event->scalar.value) == 0 &&
           fy_token_scalar_style(event->scalar.value) == FYSS_PLAIN;
}

static void take_place(struct reader *reader, struct fy_event *event)
{
    const struct fy_mark *mark = is_unwritten(event) ? NULL : fy_event_start_mark(event);
    if (mark == NULL)
        return;
    reader->line = mark->line + 1 + reader->line_offset;
    reader->column = mark->column + 1 - marked_late(event);
}

static bool on_scalar(struct reader *reader, struct fy_event *event, const struct yaml_event *at, GError **error)
{
    g_string_truncate(reader->scalar, 0);
    if (read_text(reader, event, reader->scalar))
        return yaml_build_scalar(reader->builder, at, reader->scalar, error);
    return yaml_build_fail(reader->builder, at->line, at->column, error, "the lines of a block must be indented");
}

static bool on_alias(struct reader *reader, struct fy_event *event, GError **error)
{
    g_autofree char *name = token_text(event->alias.anchor);
    return yaml_build_alias(reader->builder, name != NULL ? name : "", reader->line, reader->column, error);
}

static bool dispatch(struct reader *reader, struct fy_event *event, const struct yaml_event *at, GError **error)
{
    switch (event->type) {
    case FYET_SCALAR:
        return on_scalar(reader, event, at, error);
    case FYET_ALIAS:
        return on_alias(reader, event, error);
    case FYET_SEQUENCE_START:
        return yaml_build_open(reader->builder, at, YAML_LIST, error);
    case FYET_MAPPING_START:
        return yaml_build_open(reader->builder, at, YAML_MAP, error);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        return yaml_build_close(reader->builder, error);
    case FYET_DOCUMENT_START:
        yaml_build_begin(reader->builder);
        return true;
    default:
        return true;
    }
}

static bool on_event(struct reader *reader, struct fy_event *event, GError **error)
{
    take_place(reader, event);
    struct fy_token *value = event->type == FYET_SCALAR ? event->scalar.value : NULL;
    struct yaml_event at = {
        .line = reader->line,
        .column = reader->column,
        .anchor = event->type == FYET_ALIAS ? NULL : token_text(fy_event_get_anchor_token(event)),
        .tag = token_text(fy_event_get_tag_token(event)),
        .plain = value == NULL || fy_token_scalar_style(value) == FYSS_PLAIN,
    };
    bool fine = dispatch(reader, event, &at, error);
    g_free(at.anchor);
    g_free(at.tag);
    return fine;
}

/* Reads up to the end of the next document: it, or NULL at the end of the stream (no error) or at an error. */
static struct yaml_document *next_document(struct reader *reader, GError **error)
{
    struct fy_event *event;
    while ((event = fy_parser_parse(reader->parser)) != NULL) {
        enum fy_event_type type = event->type;
        bool fine = on_event(reader, event, error);
        fy_parser_event_free(reader->parser, event);
        if (!fine)
            return NULL;
        if (type == FYET_DOCUMENT_END)
            return yaml_build_finish(reader->builder, 1 + reader->line_offset);
        if (type == FYET_STREAM_END)
            return NULL;
    }
    if (fy_parser_get_stream_error(reader->parser) || yaml_build_under_way(reader->builder))
        fail_of_parser(reader, error);
    return NULL;
}

/* Streams */

/* The text without byte order mark and with plain newlines, or NULL: too large, not UTF-8, or nothing for libfyaml.
 * *ret_copy owns it, if changed. */
static const char *prepare(const struct reader *reader, const char *text, size_t *length, char **ret_copy,
                           GError **error)
{
    int line = 1, column = 1;
    const char *reason = "not UTF-8, or a NUL byte";
    if (*length > LIMIT_YAML_BYTES) {
        yaml_build_fail(reader->builder, 1 + reader->line_offset, 1, error, "larger than %d bytes", LIMIT_YAML_BYTES);
        return NULL;
    }
    if (yaml_text_valid(text, *length, &line, &column)) {
        text = yaml_text_normal(text, length, ret_copy);
        reason = yaml_guard(text, *length, &line);
        if (reason == NULL)
            return text;
    }
    yaml_build_fail(reader->builder, line + reader->line_offset, column, error, "%s", reason);
    return NULL;
}

static void reader_open(struct reader *reader, const char *text, size_t length)
{
    struct fy_diag_cfg diag;
    fy_diag_cfg_default(&diag);
    diag.fp = NULL;
    diag.colorize = false;
    reader->text = text;
    reader->diag = fy_diag_create(&diag);
    fy_diag_set_collect_errors(reader->diag, true);
    struct fy_parse_cfg config = {
        /* Sloppy: kubectl and PyYAML take a closing bracket below its key, and so do many manifests. */
        .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE | FYPCF_DISABLE_MMAP_OPT |
                 FYPCF_SLOPPY_FLOW_INDENTATION,
        .diag = reader->diag,
    };
    reader->parser = fy_parser_create(&config);
    if (reader->parser == NULL || fy_parser_set_string(reader->parser, text, length) != 0)
        g_error("yaml: cannot create a parser");
}

static void reader_clear(struct reader *reader)
{
    if (reader->parser != NULL)
        fy_parser_destroy(reader->parser);
    if (reader->diag != NULL)
        fy_diag_destroy(reader->diag); /* unref alone leaks the errors that were collected */
    yaml_builder_free(reader->builder);
    g_string_free(reader->scalar, TRUE);
}

bool yaml_each(const char *text, size_t length, const char *file, int line_offset, yaml_document_fn told, void *arg,
               GError **error)
{
    struct reader reader = {.line_offset = line_offset, .line = 1 + line_offset, .column = 1};
    GError *problem = NULL;
    g_autofree char *copy = NULL;
    reader.builder = yaml_builder_new(file);
    reader.scalar = g_string_new(NULL);
    text = prepare(&reader, text, &length, &copy, &problem);
    if (text != NULL && length > 0) {
        reader_open(&reader, text, length);
        struct yaml_document *document;
        while ((document = next_document(&reader, &problem)) != NULL && told(arg, document))
            ;
    }
    reader_clear(&reader);
    if (problem == NULL)
        return true;
    g_propagate_error(error, problem);
    return false;
}

static struct yaml_document *empty_document(int line)
{
    struct yaml_builder *builder = yaml_builder_new("");
    yaml_build_begin(builder);
    struct yaml_document *document = yaml_build_finish(builder, line);
    yaml_builder_free(builder);
    return document;
}

struct first_two {
    struct yaml_document *documents[2];
    size_t count;
};

static bool take(void *arg, struct yaml_document *document)
{
    struct first_two *two = arg;
    two->documents[two->count++] = document;
    return two->count < G_N_ELEMENTS(two->documents);
}

struct yaml_document *yaml_parse(const char *text, size_t length, const char *file, int line_offset, GError **error)
{
    struct first_two two = {{NULL, NULL}, 0};
    if (yaml_lines_are(text, length))
        return yaml_lines_read(text, length, file, line_offset, error);
    bool fine = yaml_each(text, length, file, line_offset, take, &two, error);
    if (fine && two.count == 0)
        return empty_document(1 + line_offset);
    if (fine && two.count == 1)
        return two.documents[0];
    if (fine) {
        const struct yaml_node *second = yaml_root(two.documents[1]);
        errors_set(error, ERROR_PARSE, "%s:%d:%d: a second document ('---') is not allowed here", file, second->line,
                   second->column);
    }
    yaml_document_free(two.documents[0]);
    yaml_document_free(two.documents[1]);
    return NULL;
}
