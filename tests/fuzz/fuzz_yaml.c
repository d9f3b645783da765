/* fuzz_yaml: any bytes as YAML, once as one document with places, once as a stream; what parses is walked and turned to
 * JSON, and is the same both times. */
#include "core/limits.h"
#include "core/yaml.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Counts what a walk meets: aliases expanded, it must stay within what the parser promises. */
static size_t walk(const struct yaml_node *node, int depth)
{
    size_t met = 1;
    g_assert(depth <= LIMIT_YAML_DEPTH && node->line >= 1 && node->column >= 1 && node->text != NULL);
    for (size_t i = 0; i < node->count; i++)
        met += walk(node->items[i], depth + 1) + (node->keys != NULL ? walk(node->keys[i], depth + 1) : 0);
    g_assert(met <= LIMIT_YAML_NODES);
    return met;
}

static void use(const struct yaml_document *document)
{
    walk(yaml_root(document), 1);
    g_autoptr(json_t) json = yaml_to_json(yaml_root(document));
    g_autofree char *text = json_text(json);
    g_assert(g_utf8_validate(text, -1, NULL));
}

/* Whichever way it was read, a document is the same, `lines` apart. */
static void compare(const struct yaml_node *a, const struct yaml_node *b, int lines)
{
    g_assert(a->kind == b->kind && a->count == b->count && a->line == b->line + lines && a->column == b->column);
    g_assert(a->text_length == b->text_length && memcmp(a->text, b->text, a->text_length) == 0);
    for (size_t i = 0; i < a->count; i++) {
        compare(a->items[i], b->items[i], lines);
        if (a->keys != NULL)
            compare(a->keys[i], b->keys[i], lines);
    }
}

struct stream {
    const struct yaml_document *alone; /* what yaml_parse() read, or NULL */
    size_t count;
};

static bool use_and_free(void *arg, struct yaml_document *document)
{
    struct stream *stream = arg;
    use(document);
    if (stream->count++ == 0 && stream->alone != NULL)
        compare(yaml_root(stream->alone), yaml_root(document), 3);
    yaml_document_free(document);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL, stream_error = NULL;
    g_autoptr(yaml_document) document = yaml_parse((const char *)data, size, "f", 3, &error);
    g_assert((document == NULL) == (error != NULL));
    if (document != NULL)
        use(document);
    struct stream stream = {.alone = document};
    bool whole = yaml_each((const char *)data, size, "f", 0, use_and_free, &stream, &stream_error);
    g_assert(whole == (stream_error == NULL));
    g_assert(document == NULL || (whole && stream.count <= 1));
    return 0;
}
