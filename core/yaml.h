/* yaml: the only adapter of libfyaml. Parses a bounded YAML text into a plain tree that knows where each node stands.
 *
 * YAML 1.2 core schema for plain scalars (null, true/false, integers, floats); quoted scalars are strings. Duplicate
 * keys, depth over LIMIT_YAML_DEPTH, more than LIMIT_YAML_NODES nodes (aliases count for what they expand to) and
 * custom tags are errors, and so are keys that are no scalars and NUL characters: ERROR_PARSE "FILE:LINE:COL: …". Merge
 * keys (<<) are expanded. Anchors and aliases work: aliases share the anchor's node, so a node may be met more than
 * once on a walk. */
#ifndef CORE_YAML_H
#define CORE_YAML_H

#include "core/json.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

enum yaml_kind { YAML_NULL, YAML_BOOL, YAML_INTEGER, YAML_FLOAT, YAML_STRING, YAML_LIST, YAML_MAP };

/* A node. Lines and columns count from 1, in the file (the parse's line_offset is added). Owned by its document. */
struct yaml_node {
    enum yaml_kind kind;
    int line, column;
    const char *text; /* scalars: the scalar's text ("" for lists and maps), UTF-8, NUL-terminated */
    size_t text_length;
    bool boolean;
    int64_t integer;
    double number;            /* also set for integers */
    size_t count;             /* lists and maps */
    struct yaml_node **items; /* list items, or map values */
    struct yaml_node **keys;  /* maps: scalar nodes, same order as items */
};

struct yaml_document; /* owns its nodes */

/* Parses a text of one document; a second one is an error. `file` names it in messages; `line_offset` is added to every
 * line (front matter). An empty text gives a document whose root is YAML_NULL. */
struct yaml_document *yaml_parse(const char *text, size_t length, const char *file, int line_offset, GError **error);
const struct yaml_node *yaml_root(const struct yaml_document *document);
typedef struct yaml_document yaml_document;
void yaml_document_free(struct yaml_document *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(yaml_document, yaml_document_free)

/* Tells each document of a stream as soon as it is read, so that a file takes the memory of its largest. The document
 * is the callee's, who returns whether to go on. False: an ERROR_PARSE, after the documents before it were told. */
typedef bool (*yaml_document_fn)(void *arg, struct yaml_document *document);
bool yaml_each(const char *text, size_t length, const char *file, int line_offset, yaml_document_fn told, void *arg,
               GError **error);

/* Map lookup; NULL when absent or not a map. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* The node as JSON (maps → objects, keys as text). New reference, never NULL. */
json_t *yaml_to_json(const struct yaml_node *node);
const char *yaml_kind_name(enum yaml_kind kind); /* "string", "list", … for messages */

#define yaml_foreach(map, i, key, value)                                                                               \
    for (size_t i = 0;                                                                                                 \
         i < (map)->count && ((key) = (map)->keys ? (map)->keys[i] : NULL, (value) = (map)->items[i], true); i++)

#endif
