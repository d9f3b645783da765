/* field: reads a YAML map into a struct by a table of keys, so that every map of every format says the same things
 * about unknown keys, wrong kinds and bad values, at their line and column. Knows no format by name. */
#ifndef JOBS_FIELD_H
#define JOBS_FIELD_H

#include "core/finding.h"
#include "core/yaml.h"
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where findings go. */
struct field_reader {
    const char *file;
    struct finding_list *findings;
    void *arg; /* for FIELD_READ functions */
};

enum field_kind {
    FIELD_STRING,   /* char *: any scalar but null; one of `choices` when given */
    FIELD_STRINGS,  /* char **: a list of scalars, or one scalar */
    FIELD_BOOL,     /* bool */
    FIELD_INTEGER,  /* int64_t within [minimum, maximum] */
    FIELD_DURATION, /* int64_t milliseconds within [minimum, maximum] */
    FIELD_JSON,     /* json_t *: anything, as it is */
    FIELD_READ,     /* calls `read` */
    FIELD_IGNORE,   /* known, read elsewhere */
};

/* What a value looks like, for the JSON Schemas of editors (schema.h), where its `kind` does not say it: the reader of
 * a FIELD_READ row knows more than this can tell, and never refuses less. */
enum field_shape {
    SHAPE_OF_KIND,
    SHAPE_TEXT,  /* any scalar; one of `choices` when given */
    SHAPE_TEXTS, /* a list of them, or one */
    SHAPE_BOOL,
    SHAPE_BOOL_OR_NULL,
    SHAPE_INTEGER, /* within [minimum, maximum] */
    SHAPE_DURATION,
    SHAPE_TEXT_MAP, /* names to scalars */
    SHAPE_MAP,
    SHAPE_ANY,
    SHAPE_FIELDS,   /* a map with the keys of `fields`; one of `choices` instead when given */
    SHAPE_VARIANTS, /* a map whose key `kind` is one of `choices`, which says which of `variants` it has */
};
enum field_many { MANY_NOT, MANY_LIST, MANY_MAP, MANY_MAP_OF_LISTS };

struct field {
    const char *key;
    enum field_kind kind;
    size_t offset; /* of the member in the target */
    const char *const *choices;
    int64_t minimum, maximum;
    bool required;
    /* What the format knows and this version does not do. `refused` is an error, for what would make a runbook less
     * safe than it says; `not_enforced` is a warning. Both say what happens instead. */
    const char *refused, *not_enforced;
    /* value is never NULL; `target` is the struct. */
    void (*read)(const struct field_reader *reader, const struct yaml_node *key, const struct yaml_node *value,
                 void *target);
    const char *help; /* what the key is for, in a few words */
    enum field_shape shape;
    enum field_many many;
    const struct field *fields;
    const struct field *const *variants;
};

/* Reads `map`; `what` names it in messages ("param 'host'"). Strings and lists that a member held are freed. A null map
 * is an empty one. True when nothing was wrong. */
bool field_read_map(const struct field_reader *reader, const struct yaml_node *map, const char *what,
                    const struct field *fields, void *target);
/* The table's row for a key, or NULL. */
const struct field *field_find(const struct field *fields, const char *key);
/* One value by its row. */
bool field_read_value(const struct field_reader *reader, const struct field *field, const struct yaml_node *key,
                      const struct yaml_node *value, void *target);

/* An error finding at a node: rule "bad-value" and its like. */
void field_error(const struct field_reader *reader, const char *rule, const struct yaml_node *at,
                 const char *suggestion, const char *format, ...) G_GNUC_PRINTF(5, 6);
/* What yaml_parse() said, as a finding of rule "yaml". */
void field_yaml_error(const struct field_reader *reader, const GError *error, int fallback_line);
/* The key that is nearest to an unknown one, or NULL. Borrowed from the table. */
const char *field_suggest(const char *word, const struct field *fields);

/* True when the scalar names a thing: [a-z][a-z0-9_-]* (dash: also '-'). */
bool field_is_name(const char *text, bool dash);

#endif
