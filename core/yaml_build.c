/* yaml_build: from a parser's events to a bounded tree. Knows no parser.
 *
 * An alias shares its target's node. What it would expand to is counted (`weight`, `height`), so that whoever walks the
 * tree meets at most LIMIT_YAML_NODES nodes and LIMIT_YAML_DEPTH levels, and a bomb costs no more memory than its text.
 */
#include "core/yaml_build.h"
#include "core/errors.h"
#include "core/limits.h"
#include "core/yaml_scalar.h"
#include <string.h>

/* A node with what only the builder needs to know. */
struct built {
    struct yaml_node node; /* first: a node of a document is a built */
    size_t weight;         /* nodes in the tree below, itself included, aliases expanded */
    int height;            /* levels of the tree below, itself included */
    bool open;             /* a collection that has not ended: an alias to it would be a cycle */
    bool plain;            /* a plain scalar: only such a "<<" is a merge key */
};

/* Nodes and texts are small and end together: they are cut from chunks. */
struct yaml_document {
    struct built *root;
    GPtrArray *chunks;
    char *free;       /* what is left of the last one */
    size_t free_size; /* bytes */
};

/* Sanitizers see more when each has its own memory. */
#if defined(__SANITIZE_ADDRESS__)
enum { CHUNK_BYTES = 0 };
#elif defined(__has_feature)
enum { CHUNK_BYTES = __has_feature(address_sanitizer) ? 0 : 4096 };
#else
enum { CHUNK_BYTES = 4096 };
#endif

/* A collection that is being read. */
struct frame {
    struct built *collection;
    GPtrArray *keys, *items; /* struct built* */
    GHashTable *seen;        /* texts of the keys so far; maps only */
};

struct yaml_builder {
    const char *file;
    struct yaml_document *document; /* the one that is being built, or NULL */
    GArray *frames;                 /* struct frame */
    GHashTable *anchors;            /* name → struct built *; of this document */
    size_t total_weight;
};

/* Documents */

void yaml_document_free(struct yaml_document *document)
{
    if (document == NULL)
        return;
    g_ptr_array_free(document->chunks, TRUE);
    g_free(document);
}

static struct yaml_document *document_new(void)
{
    struct yaml_document *document = g_new0(struct yaml_document, 1);
    document->chunks = g_ptr_array_new_with_free_func(g_free);
    return document;
}

static void *take(struct yaml_document *document, size_t size)
{
    size = (size + G_MEM_ALIGN - 1) / G_MEM_ALIGN * G_MEM_ALIGN;
    if (size > document->free_size) {
        document->free_size = MAX(size, CHUNK_BYTES);
        document->free = g_malloc(document->free_size);
        g_ptr_array_add(document->chunks, document->free);
    }
    void *memory = document->free;
    document->free += size;
    document->free_size -= size;
    return memory;
}

static void *keep(struct yaml_document *document, const void *bytes, size_t size)
{
    return memcpy(take(document, size), bytes, size);
}

static struct built *built_new(struct yaml_document *document, enum yaml_kind kind, int line, int column)
{
    struct built *built = take(document, sizeof *built);
    *built =
        (struct built){.node = {.kind = kind, .line = line, .column = column, .text = ""}, .weight = 1, .height = 1};
    return built;
}

const struct yaml_node *yaml_root(const struct yaml_document *document)
{
    return &document->root->node;
}

/* Life */

static void frame_clear(void *data)
{
    struct frame *frame = data;
    g_ptr_array_free(frame->items, TRUE);
    g_clear_pointer(&frame->keys, g_ptr_array_unref);
    g_clear_pointer(&frame->seen, g_hash_table_unref);
}

struct yaml_builder *yaml_builder_new(const char *file)
{
    struct yaml_builder *builder = g_new0(struct yaml_builder, 1);
    builder->file = file;
    builder->frames = g_array_new(FALSE, TRUE, sizeof(struct frame));
    g_array_set_clear_func(builder->frames, frame_clear);
    builder->anchors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return builder;
}

void yaml_builder_free(struct yaml_builder *builder)
{
    yaml_document_free(builder->document);
    g_array_free(builder->frames, TRUE);
    g_hash_table_unref(builder->anchors);
    g_free(builder);
}

void yaml_build_begin(struct yaml_builder *builder)
{
    yaml_document_free(builder->document);
    builder->document = document_new();
    g_hash_table_remove_all(builder->anchors);
    builder->total_weight = 0;
}

bool yaml_build_under_way(const struct yaml_builder *builder)
{
    return builder->document != NULL;
}

struct yaml_document *yaml_build_finish(struct yaml_builder *builder, int line)
{
    if (builder->document->root == NULL)
        builder->document->root = built_new(builder->document, YAML_NULL, line, 1);
    return g_steal_pointer(&builder->document);
}

int yaml_build_indent(const struct yaml_builder *builder)
{
    if (builder->frames->len == 0)
        return -1;
    return g_array_index(builder->frames, struct frame, builder->frames->len - 1).collection->node.column - 1;
}

bool yaml_build_fail(const struct yaml_builder *builder, int line, int column, GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    errors_set(error, ERROR_PARSE, "%s:%d:%d: %s", builder->file, line, column, message);
    return false;
}

/* Nodes */

static struct frame *top_frame(struct yaml_builder *builder)
{
    return builder->frames->len == 0 ? NULL : &g_array_index(builder->frames, struct frame, builder->frames->len - 1);
}

static bool expects_key(const struct frame *frame)
{
    return frame->keys != NULL && frame->keys->len == frame->items->len;
}

static bool add_key(struct yaml_builder *builder, struct frame *frame, struct built *key, GError **error)
{
    if (key->node.kind == YAML_LIST || key->node.kind == YAML_MAP)
        return yaml_build_fail(builder, key->node.line, key->node.column, error, "a key must be a scalar, found %s",
                               yaml_kind_name(key->node.kind));
    if (!g_hash_table_add(frame->seen, (void *)key->node.text))
        return yaml_build_fail(builder, key->node.line, key->node.column, error, "the key '%s' is there twice",
                               key->node.text);
    g_ptr_array_add(frame->keys, key);
    return true;
}

/* Hangs a finished or just opened node into the tree. */
static bool add_node(struct yaml_builder *builder, struct built *built, GError **error)
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
static bool count_nodes(struct yaml_builder *builder, size_t weight, int height, int line, int column, GError **error)
{
    builder->total_weight += weight;
    if (builder->total_weight > LIMIT_YAML_NODES)
        return yaml_build_fail(builder, line, column, error,
                               "more than %d values (aliases count for what they stand for)", LIMIT_YAML_NODES);
    if ((int)builder->frames->len + height > LIMIT_YAML_DEPTH)
        return yaml_build_fail(builder, line, column, error, "nested deeper than %d levels", LIMIT_YAML_DEPTH);
    return true;
}

static void set_anchor(struct yaml_builder *builder, const char *anchor, struct built *built)
{
    if (anchor != NULL)
        g_hash_table_replace(builder->anchors, g_strdup(anchor), built);
}

bool yaml_build_alias(struct yaml_builder *builder, const char *name, int line, int column, GError **error)
{
    struct built *target = g_hash_table_lookup(builder->anchors, name);
    if (target == NULL)
        return yaml_build_fail(builder, line, column, error, "the alias '*%s' has no anchor", name);
    if (target->open)
        return yaml_build_fail(builder, line, column, error, "the alias '*%s' contains itself", name);
    return count_nodes(builder, target->weight, target->height, line, column, error) &&
           add_node(builder, target, error);
}

static bool fail_tag(const struct yaml_builder *builder, const struct yaml_event *event, GError **error)
{
    return yaml_build_fail(builder, event->line, event->column, error, "the tag '%s' does not fit or is not supported",
                           event->tag);
}

bool yaml_build_scalar(struct yaml_builder *builder, const struct yaml_event *event, const GString *text,
                       GError **error)
{
    struct built *built = built_new(builder->document, YAML_STRING, event->line, event->column);
    built->plain = event->plain;
    built->node.text_length = text->len;
    built->node.text = keep(builder->document, text->str, text->len + 1);
    if (memchr(built->node.text, '\0', built->node.text_length) != NULL)
        return yaml_build_fail(builder, event->line, event->column, error, "a NUL character is not allowed");
    if (event->tag != NULL && !yaml_scalar_tag(&built->node, event->tag))
        return fail_tag(builder, event, error);
    if (event->tag == NULL && event->plain)
        yaml_scalar_type(&built->node);
    set_anchor(builder, event->anchor, built);
    return count_nodes(builder, 1, 1, event->line, event->column, error) && add_node(builder, built, error);
}

bool yaml_build_open(struct yaml_builder *builder, const struct yaml_event *event, enum yaml_kind kind, GError **error)
{
    const char *allowed = kind == YAML_MAP ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq";
    if (event->tag != NULL && strcmp(event->tag, "!") != 0 && strcmp(event->tag, allowed) != 0)
        return fail_tag(builder, event, error);
    struct built *built = built_new(builder->document, kind, event->line, event->column);
    built->open = true;
    set_anchor(builder, event->anchor, built);
    if (!count_nodes(builder, 1, 1, event->line, event->column, error) || !add_node(builder, built, error))
        return false;
    struct frame frame = {.collection = built, .items = g_ptr_array_new()};
    if (kind == YAML_MAP) {
        frame.keys = g_ptr_array_new();
        frame.seen = g_hash_table_new(g_str_hash, g_str_equal);
    }
    g_array_append_val(builder->frames, frame);
    return true;
}

/* Ends of collections */

/* Adds the pairs of `source` that the map does not have. Their nodes are shared, and counted again. */
static bool merge_map(struct yaml_builder *builder, struct frame *frame, const struct built *source,
                      const struct built *at, GError **error)
{
    if (source->node.kind != YAML_MAP)
        return yaml_build_fail(builder, at->node.line, at->node.column, error,
                               "'<<' takes a map or a list of maps, found %s", yaml_kind_name(source->node.kind));
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

static bool merge_value(struct yaml_builder *builder, struct frame *frame, const struct built *value,
                        const struct built *at, GError **error)
{
    if (value->node.kind != YAML_LIST)
        return merge_map(builder, frame, value, at, error);
    for (size_t i = 0; i < value->node.count; i++)
        if (!merge_map(builder, frame, (struct built *)value->node.items[i], at, error))
            return false;
    return true;
}

/* Replaces the pair of a merge key by what it stands for. The map's own keys win, then the first merged. */
static bool expand_merge(struct yaml_builder *builder, struct frame *frame, GError **error)
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
static struct yaml_node **take_nodes(struct yaml_builder *builder, GPtrArray *array)
{
    if (array->len == 0)
        return NULL;
    return keep(builder->document, array->pdata, array->len * sizeof(void *));
}

bool yaml_build_close(struct yaml_builder *builder, GError **error)
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
