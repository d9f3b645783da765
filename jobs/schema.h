/* schema: the JSON Schemas of the YAML formats, made from the key tables that read them, for editors. A schema refuses
 * nothing that the reader takes; names, paths and expressions are the reader's alone. Knows no format. */
#ifndef JOBS_SCHEMA_H
#define JOBS_SCHEMA_H

#include "core/json.h"

struct field;

struct schema {
    const char *name;  /* "inventory": of the file inventory.schema.json */
    const char *title; /* what it describes */
    const struct field *fields;
};
extern const struct schema schemas[]; /* ends with name == NULL */

/* The schema (draft-07, which yaml-language-server reads). New reference. */
json_t *schema_json(const struct schema *schema);

#endif
