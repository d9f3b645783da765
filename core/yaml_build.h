/* yaml_build: builds yaml_documents from a parser's events: anchors, aliases, merges, duplicate keys, limits. */
#ifndef CORE_YAML_BUILD_H
#define CORE_YAML_BUILD_H

#include "core/yaml.h"

struct yaml_builder;
struct yaml_builder *yaml_builder_new(const char *file); /* borrowed: names the input in messages */
void yaml_builder_free(struct yaml_builder *builder);

/* Where an event stands in the file, and what is written before it. */
struct yaml_event {
    int line, column;
    char *anchor, *tag; /* or NULL */
    bool plain;         /* a scalar without quotes that is no block */
};

void yaml_build_begin(struct yaml_builder *builder); /* of a document */
bool yaml_build_under_way(const struct yaml_builder *builder);
/* The document; an empty one is null at `line`. */
struct yaml_document *yaml_build_finish(struct yaml_builder *builder, int line);

/* False with ERROR_PARSE, then the builder can only be freed. */
bool yaml_build_scalar(struct yaml_builder *builder, const struct yaml_event *event, const GString *text,
                       GError **error);
bool yaml_build_alias(struct yaml_builder *builder, const char *name, int line, int column, GError **error);
bool yaml_build_open(struct yaml_builder *builder, const struct yaml_event *event, enum yaml_kind kind, GError **error);
bool yaml_build_close(struct yaml_builder *builder, GError **error);
/* Columns before the collection that is open; -1 at the top. */
int yaml_build_indent(const struct yaml_builder *builder);

/* "FILE:LINE:COLUMN: …"; always false. */
bool yaml_build_fail(const struct yaml_builder *builder, int line, int column, GError **error, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

#endif
