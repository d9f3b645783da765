/* yaml: the only adapter of libfyaml: its events become a plain bounded tree. Knows no key's meaning.
 *
 * An alias shares its target's node. What it would expand to is counted (`weight`, `height`), so that whoever walks the
 * tree meets at most LIMIT_YAML_NODES nodes and LIMIT_YAML_DEPTH levels, and a bomb costs no more memory than its text.
 */
#include "core/yaml.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/yaml_scalar.h"
#include "core/yaml_text.h"
#include <libfyaml.h>
#include <math.h>
#include <string.h>

/* A node with what only the builder needs to know. */
struct built {
    struct yaml_node node; /* first: a node of a document is a built */
    size_t weight;         /* nodes in the tree below, itself included, aliases expanded */
    int height;            /* levels of the tree below, itself included */
    bool open;             /* a collection that has not ended: an alias to it would be a cycle */
    bool plain;            /* a plain scalar: only such a "<<" is a merge key */
};

struct yaml_document {
    struct built *root;
    GPtrArray *memory; /* everything that the nodes point to */
};

/* A collection that is being read. */
struct frame {
    struct built *collection;
    GPtrArray *keys, *items; /* struct built* */
    GHashTable *seen;        /* texts of the keys so far; maps only */
};

struct builder {
    const char *file;
    int line_offset;
    const char *text; /* prepared; tokens point into it */
    size_t token_end; /* of the last scalar in it */
    struct fy_parser *parser;
    struct fy_diag *diag;
    struct yaml_document *document; /* the one that is being read */
    GArray *frames;                 /* struct frame */
    GHashTable *anchors;            /* name → struct built*; of this document */
    size_t total_weight;
    int last_line, last_column; /* where an empty value stands: libfyaml gives it no mark */
};

/* Documents */

void yaml_document_free(struct yaml_document *document)
{
    if (document == NULL)
        return;
    g_ptr_array_free(document->memory, TRUE);
    g_free(document);
}

static struct yaml_document *document_new(void)
{
    struct yaml_document *document = g_new0(struct yaml_document, 1);
    document->memory = g_ptr_array_new_with_free_func(g_free);
    return document;
}

static void *keep(struct yaml_document *document, void *memory)
{
    g_ptr_array_add(document->memory, memory);
    return memory;
}

static struct built *built_new(struct yaml_document *document, enum yaml_kind kind, int line, int column)
{
    struct built *built = keep(document, g_new0(struct built, 1));
    built->node = (struct yaml_node){.kind = kind, .line = line, .column = column, .text = ""};
    built->weight = 1;
    built->height = 1;
    return built;
}

/* Errors */

static bool fail_at(const struct builder *builder, int line, int column, GError **error, const char *format, ...)
    G_GNUC_PRINTF(5, 6);
static bool fail_at(const struct builder *builder, int line, int column, GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    errors_set(error, ERROR_PARSE, "%s:%d:%d: %s", builder->file, line, column, message);
    return false;
}

/* The first thing that libfyaml complained about. */
static bool fail_of_parser(struct builder *builder, GError **error)
{
    void *iterator = NULL;
    const struct fy_diag_error *problem = fy_diag_errors_iterate(builder->diag, &iterator);
    if (problem == NULL || problem->msg == NULL)
        return fail_at(builder, builder->last_line, builder->last_column, error, "not valid YAML");
    g_autofree char *message = g_utf8_make_valid(problem->msg, -1);
    return fail_at(builder, MAX(problem->line, 1) + builder->line_offset, MAX(problem->column, 1), error, "%s",
                   message);
}

/* Building */

static struct frame *top_frame(struct builder *builder)
{
    return builder->frames->len == 0 ? NULL : &g_array_index(builder->frames, struct frame, builder->frames->len - 1);
}

static void frame_clear(void *data)
{
    struct frame *frame = data;
    g_ptr_array_free(frame->items, TRUE);
    g_clear_pointer(&frame->keys, g_ptr_array_unref);
    g_clear_pointer(&frame->seen, g_hash_table_unref);
}

static bool expects_key(const struct frame *frame)
{
    return frame->keys != NULL && frame->keys->len == frame->items->len;
}

static bool add_key(struct builder *builder, struct frame *frame, struct built *key, GError **error)
{
    if (key->node.kind == YAML_LIST || key->node.kind == YAML_MAP)
        return fail_at(builder, key->node.line, key->node.column, error, "a key must be a scalar, found %s",
                       yaml_kind_name(key->node.kind));
    if (!g_hash_table_add(frame->seen, (void *)key->node.text))
        return fail_at(builder, key->node.line, key->node.column, error, "the key '%s' is there twice", key->node.text);
    g_ptr_array_add(frame->keys, key);
    return true;
}

/* Hangs a finished or just opened node into the tree. */
static bool add_node(struct builder *builder, struct built *built, GError **error)
{
    struct frame *frame = top_frame(builder);
    if (frame == NULL) {
        builder->document->root = built;
        return true;
    }
    if (expects_key(frame))
        return add_key(builder, frame, built, error);
    g_ptr_array_add(frame->items, built);
    return true;
}

/* Counts `weight` more nodes, `height` levels below the current depth, standing at line:column. */
static bool count_nodes(struct builder *builder, size_t weight, int height, int line, int column, GError **error)
{
    builder->total_weight += weight;
    if (builder->total_weight > LIMIT_YAML_NODES)
        return fail_at(builder, line, column, error, "more than %d values (aliases count for what they stand for)",
                       LIMIT_YAML_NODES);
    if ((int)builder->frames->len + height > LIMIT_YAML_DEPTH)
        return fail_at(builder, line, column, error, "nested deeper than %d levels", LIMIT_YAML_DEPTH);
    return true;
}

static void set_anchor(struct builder *builder, struct fy_event *event, struct built *built)
{
    struct fy_token *token = fy_event_get_anchor_token(event);
    size_t length;
    const char *name = token != NULL ? fy_token_get_text(token, &length) : NULL;
    if (name != NULL)
        g_hash_table_replace(builder->anchors, g_strndup(name, length), built);
}

static bool on_alias(struct builder *builder, struct fy_event *event, GError **error)
{
    size_t length = 0;
    const char *text = fy_token_get_text(event->alias.anchor, &length);
    g_autofree char *name = g_strndup(text != NULL ? text : "", length);
    struct built *target = g_hash_table_lookup(builder->anchors, name);
    if (target == NULL)
        return fail_at(builder, builder->last_line, builder->last_column, error, "the alias '*%s' has no anchor", name);
    if (target->open)
        return fail_at(builder, builder->last_line, builder->last_column, error, "the alias '*%s' contains itself",
                       name);
    return count_nodes(builder, target->weight, target->height, builder->last_line, builder->last_column, error) &&
           add_node(builder, target, error);
}

static char *tag_of(struct fy_event *event)
{
    struct fy_token *token = fy_event_get_tag_token(event);
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
static bool read_block(const struct builder *builder, struct fy_event *event, GString *text, size_t start, size_t end)
{
    size_t from = MAX(builder->token_end, MAX(end_of(event->scalar.anchor), end_of(event->scalar.tag)));
    const char *line = start > 1 ? memrchr(builder->text, '\n', start - 1) : NULL;
    if (line != NULL)
        from = MAX(from, (size_t)(line - builder->text));
    from = MIN(from, start);
    int parent = -1;
    if (builder->frames->len > 0)
        parent = g_array_index(builder->frames, struct frame, builder->frames->len - 1).collection->node.column - 1;
    struct yaml_block block;
    yaml_text_header(builder->text + from, start - from, parent, &block);
    return yaml_text_block(text, builder->text + start, end - start, &block, parent);
}

/* A scalar's text; false for a block that is not indented. */
static bool read_text(struct builder *builder, struct fy_event *event, GString *text)
{
    struct fy_token *token = event->scalar.value;
    if (token == NULL)
        return true; /* nothing: null */
    size_t start = fy_token_start_mark(token)->input_pos, end = MAX(fy_token_end_mark(token)->input_pos, start);
    const char *raw = builder->text + start;
    enum fy_scalar_style style = fy_token_scalar_style(token);
    bool fine = true;
    if (style == FYSS_LITERAL || style == FYSS_FOLDED)
        fine = read_block(builder, event, text, start, end);
    else if (style == FYSS_SINGLE_QUOTED)
        yaml_text_single_quoted(text, raw, end - start);
    else if (style == FYSS_DOUBLE_QUOTED)
        yaml_text_double_quoted(text, raw, end - start);
    else
        yaml_text_plain(text, raw, end - start);
    builder->token_end = end;
    return fine;
}

static bool on_scalar(struct builder *builder, struct fy_event *event, GError **error)
{
    struct fy_token *token = event->scalar.value;
    struct built *built = built_new(builder->document, YAML_STRING, builder->last_line, builder->last_column);
    int line = built->node.line, column = built->node.column;
    GString *text = g_string_new(NULL);
    bool fine = read_text(builder, event, text);
    built->node.text_length = text->len;
    built->node.text = keep(builder->document, g_string_free(text, FALSE));
    if (!fine)
        return fail_at(builder, line, column, error, "the lines of a block must be indented");
    if (memchr(built->node.text, '\0', built->node.text_length) != NULL)
        return fail_at(builder, line, column, error, "a NUL character is not allowed");

    g_autofree char *tag = tag_of(event);
    built->plain = token == NULL || fy_token_scalar_style(token) == FYSS_PLAIN;
    if (tag != NULL && !yaml_scalar_tag(&built->node, tag))
        return fail_at(builder, line, column, error, "the tag '%s' does not fit or is not supported", tag);
    if (tag == NULL && built->plain)
        yaml_scalar_type(&built->node);
    set_anchor(builder, event, built);
    return count_nodes(builder, 1, 1, line, column, error) && add_node(builder, built, error);
}

static bool on_start(struct builder *builder, struct fy_event *event, enum yaml_kind kind, GError **error)
{
    struct built *built = built_new(builder->document, kind, builder->last_line, builder->last_column);
    g_autofree char *tag = tag_of(event);
    const char *allowed = kind == YAML_MAP ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq";
    if (tag != NULL && strcmp(tag, "!") != 0 && strcmp(tag, allowed) != 0)
        return fail_at(builder, built->node.line, built->node.column, error,
                       "the tag '%s' does not fit or is not supported", tag);
    built->open = true;
    set_anchor(builder, event, built);
    if (!count_nodes(builder, 1, 1, built->node.line, built->node.column, error) || !add_node(builder, built, error))
        return false;
    struct frame frame = {.collection = built, .items = g_ptr_array_new()};
    if (kind == YAML_MAP) {
        frame.keys = g_ptr_array_new();
        frame.seen = g_hash_table_new(g_str_hash, g_str_equal);
    }
    g_array_append_val(builder->frames, frame);
    return true;
}

/* Adds the pairs of `source` that the map does not have. Their nodes are shared, and counted again. */
static bool merge_map(struct builder *builder, struct frame *frame, const struct built *source, const struct built *at,
                      GError **error)
{
    if (source->node.kind != YAML_MAP)
        return fail_at(builder, at->node.line, at->node.column, error, "'<<' takes a map or a list of maps, found %s",
                       yaml_kind_name(source->node.kind));
    for (size_t i = 0; i < source->node.count; i++) {
        struct built *key = (struct built *)source->node.keys[i], *item = (struct built *)source->node.items[i];
        if (!g_hash_table_add(frame->seen, (void *)key->node.text))
            continue;
        if (!count_nodes(builder, 1 + item->weight, item->height, at->node.line, at->node.column, error))
            return false;
        g_ptr_array_add(frame->keys, key);
        g_ptr_array_add(frame->items, item);
    }
    return true;
}

static bool merge_value(struct builder *builder, struct frame *frame, const struct built *value, const struct built *at,
                        GError **error)
{
    if (value->node.kind != YAML_LIST)
        return merge_map(builder, frame, value, at, error);
    for (size_t i = 0; i < value->node.count; i++)
        if (!merge_map(builder, frame, (struct built *)value->node.items[i], at, error))
            return false;
    return true;
}

/* Replaces the pair of a merge key by what it stands for. The map's own keys win, then the first merged. */
static bool expand_merge(struct builder *builder, struct frame *frame, GError **error)
{
    for (guint i = 0; frame->keys != NULL && i < frame->keys->len; i++) {
        struct built *key = g_ptr_array_index(frame->keys, i);
        if (!key->plain || strcmp(key->node.text, "<<") != 0)
            continue;
        struct built *value = g_ptr_array_index(frame->items, i);
        g_ptr_array_remove_index(frame->keys, i);
        g_ptr_array_remove_index(frame->items, i);
        return merge_value(builder, frame, value, key, error); /* duplicates are refused: there is only one */
    }
    return true;
}

/* Moves an array's pointers into the document. */
static struct yaml_node **take_nodes(struct builder *builder, GPtrArray *array)
{
    if (array->len == 0)
        return NULL;
    return keep(builder->document, g_memdup2(array->pdata, array->len * sizeof(void *)));
}

static bool on_end(struct builder *builder, GError **error)
{
    struct frame *frame = top_frame(builder);
    struct built *built = frame->collection;
    if (!expand_merge(builder, frame, error))
        return false;
    built->node.count = frame->items->len;
    built->node.items = take_nodes(builder, frame->items);
    built->node.keys = frame->keys != NULL ? take_nodes(builder, frame->keys) : NULL;
    for (guint i = 0; i < frame->items->len; i++) {
        struct built *item = g_ptr_array_index(frame->items, i);
        built->weight += item->weight + (frame->keys != NULL);
        built->height = MAX(built->height, item->height + 1);
    }
    built->open = false;
    g_array_set_size(builder->frames, builder->frames->len - 1);
    return true;
}

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

static bool on_event(struct builder *builder, struct fy_event *event, GError **error)
{
    const struct fy_mark *mark = is_unwritten(event) ? NULL : fy_event_start_mark(event);
    if (mark != NULL) {
        builder->last_line = mark->line + 1 + builder->line_offset;
        builder->last_column = mark->column + 1 - marked_late(event);
    }
    switch (event->type) {
    case FYET_SCALAR:
        return on_scalar(builder, event, error);
    case FYET_ALIAS:
        return on_alias(builder, event, error);
    case FYET_SEQUENCE_START:
        return on_start(builder, event, YAML_LIST, error);
    case FYET_MAPPING_START:
        return on_start(builder, event, YAML_MAP, error);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        return on_end(builder, error);
    default:
        return true;
    }
}

static void document_begin(struct builder *builder)
{
    builder->document = document_new();
    g_hash_table_remove_all(builder->anchors);
    builder->total_weight = 0;
}

static struct yaml_document *document_finish(struct builder *builder)
{
    if (builder->document->root == NULL)
        builder->document->root = built_new(builder->document, YAML_NULL, 1 + builder->line_offset, 1);
    return g_steal_pointer(&builder->document);
}

/* Reads up to the end of the next document: it, or NULL at the end of the stream (no error) or at an error. */
static struct yaml_document *next_document(struct builder *builder, GError **error)
{
    struct fy_event *event;
    while ((event = fy_parser_parse(builder->parser)) != NULL) {
        enum fy_event_type type = event->type;
        if (type == FYET_DOCUMENT_START)
            document_begin(builder);
        bool fine = on_event(builder, event, error);
        fy_parser_event_free(builder->parser, event);
        if (!fine)
            return NULL;
        if (type == FYET_DOCUMENT_END)
            return document_finish(builder);
        if (type == FYET_STREAM_END)
            return NULL;
    }
    if (fy_parser_get_stream_error(builder->parser) || builder->document != NULL)
        fail_of_parser(builder, error);
    return NULL;
}

/* Text */

/* The text without byte order mark and with plain newlines, or NULL: too large or not UTF-8. *ret_copy owns it, if
 * changed. */
static const char *prepare(const struct builder *builder, const char *text, size_t *length, char **ret_copy,
                           GError **error)
{
    *ret_copy = NULL;
    if (*length > LIMIT_YAML_BYTES) {
        fail_at(builder, 1 + builder->line_offset, 1, error, "larger than %d bytes", LIMIT_YAML_BYTES);
        return NULL;
    }
    const char *bad;
    if (!g_utf8_validate_len(text, *length, &bad)) {
        int line = 1, column = 1;
        for (const char *at = text; at < bad; at++)
            line += *at == '\n', column = *at == '\n' ? 1 : column + 1;
        fail_at(builder, line + builder->line_offset, column, error, "not UTF-8, or a NUL byte");
        return NULL;
    }
    if (*length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        text += 3, *length -= 3;
    if (memchr(text, '\r', *length) == NULL)
        return text;
    char *copy = g_malloc(*length + 1), *out = copy;
    for (size_t i = 0; i < *length; i++)
        if (text[i] != '\r')
            *out++ = text[i];
        else if (i + 1 == *length || text[i + 1] != '\n')
            *out++ = '\n';
    *length = (size_t)(out - copy);
    return *ret_copy = copy;
}

static void builder_clear(struct builder *builder)
{
    yaml_document_free(builder->document);
    if (builder->parser != NULL)
        fy_parser_destroy(builder->parser);
    if (builder->diag != NULL)
        fy_diag_destroy(builder->diag);
    if (builder->frames != NULL)
        g_array_free(builder->frames, TRUE);
    g_clear_pointer(&builder->anchors, g_hash_table_unref);
}

static void builder_init(struct builder *builder, const char *text, size_t length)
{
    struct fy_diag_cfg diag;
    fy_diag_cfg_default(&diag);
    diag.fp = NULL;
    diag.colorize = false;
    builder->diag = fy_diag_create(&diag);
    fy_diag_set_collect_errors(builder->diag, true);
    struct fy_parse_cfg config = {
        .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE | FYPCF_DISABLE_MMAP_OPT,
        .diag = builder->diag,
    };
    builder->parser = fy_parser_create(&config);
    if (builder->parser == NULL || fy_parser_set_string(builder->parser, text, length) != 0)
        g_error("yaml: cannot create a parser");
    builder->frames = g_array_new(FALSE, TRUE, sizeof(struct frame));
    g_array_set_clear_func(builder->frames, frame_clear);
    builder->anchors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static struct yaml_document *empty_document(int line_offset)
{
    struct yaml_document *document = document_new();
    document->root = built_new(document, YAML_NULL, 1 + line_offset, 1);
    return document;
}

/* At most `maximum` documents; what follows them is not read. */
static GPtrArray *parse_stream(const char *text, size_t length, const char *file, int line_offset, guint maximum,
                               GError **error)
{
    struct builder builder = {.file = file, .line_offset = line_offset, .last_line = 1 + line_offset, .last_column = 1};
    GPtrArray *documents = g_ptr_array_new_with_free_func((GDestroyNotify)yaml_document_free);
    g_autofree char *copy = NULL;
    text = prepare(&builder, text, &length, &copy, error);
    if (text == NULL || length == 0)
        return documents;
    builder.text = text;
    builder_init(&builder, text, length);
    struct yaml_document *document;
    while (documents->len < maximum && (document = next_document(&builder, error)) != NULL)
        g_ptr_array_add(documents, document);
    builder_clear(&builder);
    return documents;
}

struct yaml_document *yaml_parse(const char *text, size_t length, const char *file, int line_offset, GError **error)
{
    GError *problem = NULL;
    g_autoptr(GPtrArray) documents = parse_stream(text, length, file, line_offset, 2, &problem);
    if (problem != NULL) {
        g_propagate_error(error, problem);
        return NULL;
    }
    if (documents->len == 0)
        return empty_document(line_offset);
    if (documents->len > 1) {
        const struct yaml_node *second = yaml_root(g_ptr_array_index(documents, 1));
        errors_set(error, ERROR_PARSE, "%s:%d:%d: a second document ('---') is not allowed here", file, second->line,
                   second->column);
        return NULL;
    }
    return g_ptr_array_steal_index(documents, 0);
}

GPtrArray *yaml_parse_all(const char *text, size_t length, const char *file, GPtrArray **ret_before_error,
                          GError **error)
{
    GError *problem = NULL;
    GPtrArray *documents = parse_stream(text, length, file, 0, G_MAXUINT, &problem);
    if (problem == NULL)
        return documents;
    g_propagate_error(error, problem);
    if (ret_before_error != NULL)
        *ret_before_error = documents;
    else
        g_ptr_array_unref(documents);
    return NULL;
}

const struct yaml_node *yaml_root(const struct yaml_document *document)
{
    return &document->root->node;
}

/* Reading the tree */

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

static json_t *scalar_to_json(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_NULL:
        return json_null();
    case YAML_BOOL:
        return json_boolean(node->boolean);
    case YAML_INTEGER:
        return json_integer(node->integer);
    case YAML_FLOAT:
        if (isfinite(node->number))
            return json_real(node->number);
        return json_text_value(node->text, node->text_length); /* JSON has no infinity */
    default:
        return json_text_value(node->text, node->text_length);
    }
}

json_t *yaml_to_json(const struct yaml_node *node)
{
    if (node->kind == YAML_LIST) {
        json_t *list = json_array();
        for (size_t i = 0; i < node->count; i++)
            json_array_append_new(list, yaml_to_json(node->items[i]));
        return list;
    }
    if (node->kind == YAML_MAP) {
        json_t *map = json_object();
        for (size_t i = 0; i < node->count; i++)
            json_object_set_new(map, node->keys[i]->text, yaml_to_json(node->items[i]));
        return map;
    }
    return scalar_to_json(node);
}

const char *yaml_kind_name(enum yaml_kind kind)
{
    static const char *const names[] = {"null", "boolean", "integer", "number", "string", "list", "map"};
    return names[kind];
}
